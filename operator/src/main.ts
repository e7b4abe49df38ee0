// The operator's entry. Its rooms are described in ../README.md; until they are built it says so and ends.
process.stderr.write(
  'The operator is not served yet. A folder of the same resources is: make run CONFIG_DIR=… (docs/status.md).\n',
)
process.exitCode = 1
