// Loaded into a data plane in front of its program (`node --import`): how long its event loop is held up by its own work.
// At SIGUSR2 the figure since the last one is written to the file that TURN_PROBE names, and a new one begun.
import { renameSync, writeFileSync } from 'node:fs'

/** Between two looks, so that a figure is one long turn, or what ran within so long. */
const LOOK_MS = 1

const file = process.env['TURN_PROBE']
let longest = 0
let before = process.threadCpuUsage()

setInterval(() => {
  const { user, system } = process.threadCpuUsage(before)
  before = process.threadCpuUsage()
  longest = Math.max(longest, (user + system) / 1_000)
}, LOOK_MS).unref()

if (file !== undefined) {
  process.on('SIGUSR2', () => {
    writeFileSync(`${file}.new`, String(longest))
    renameSync(`${file}.new`, file)
    longest = 0
    before = process.threadCpuUsage()
  })
}
