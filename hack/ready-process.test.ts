import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startReady } from './ready-process.ts'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'smartflow-ready-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const start = (script: string) => startReady({ args: ['-e', script], env: { MARK: 'here' }, log: join(dir, 'log') })

test('a program that says where it listens is ready, and can be ended', async () => {
  const said = `console.log(JSON.stringify({ addresses: { proxy: process.env.MARK } })); setInterval(() => {}, 9e5)`
  const program = await start(said)
  expect(program.addresses).toEqual({ proxy: 'here' })
  await program.stop()
})

test('a program that ends before it is ready is an error with the end of its log', async () => {
  await expect(start(`console.error('no such Redis'); process.exit(1)`)).rejects.toThrow(/ended.*no such Redis/s)
})
