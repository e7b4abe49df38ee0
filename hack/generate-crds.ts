// Writes the CustomResourceDefinitions and their chart from the schemas. `--check` writes nothing and fails when a file
// differs from what would be written.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { definitionFiles } from '../core/src/crd/files.ts'

const ROOT = resolve(import.meta.dirname, '..')

/** Folders whose YAML files are all generated. */
const FOLDERS = ['crds', 'charts/smartflow-crds/templates']

function main(): number {
  const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  const wanted = definitionFiles()
  const stale = FOLDERS.flatMap(folder => globSync(`${folder}/*.yaml`, { cwd: ROOT })).filter(file => !wanted.has(file))
  const changed = [...wanted].filter(([file, text]) => textAt(file) !== text)
  if (options.check) {
    for (const file of [...stale, ...changed.map(([name]) => name)]) console.error(`${file} is not as generated`)
    return stale.length + changed.length === 0 ? 0 : 1
  }
  for (const file of stale) rmSync(join(ROOT, file))
  for (const [file, text] of changed) {
    mkdirSync(dirname(join(ROOT, file)), { recursive: true })
    writeFileSync(join(ROOT, file), text)
  }
  console.log(`${wanted.size} files, ${changed.length} written, ${stale.length} removed`)
  return 0
}

function textAt(file: string): string | undefined {
  const path = join(ROOT, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

process.exitCode = main()
