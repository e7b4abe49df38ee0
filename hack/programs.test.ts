// What is said of a program that failed: one line that gives the reason.
import { expect, test } from 'vitest'
import { run } from './programs.ts'

const limits = { env: process.env, seconds: 10 }
const fail = (text: string): string[] => ['-c', `printf '${text}' >&2; exit 1`]

test('the last line of standard error is the reason', async () => {
  expect(await run('sh', fail('first\\nno such thing\\n'), limits)).toEqual({ ok: false, text: 'no such thing' })
  expect(await run('sh', ['-c', 'exit 3'], limits)).toEqual({ ok: false, text: 'sh failed: 3' })
})

test('what npm says of its log is no reason', async () => {
  const npm = 'npm error code E404\\nnpm error 404 not found\\nnpm error Log files were not written\\n'
  expect(await run('sh', fail(npm), limits)).toEqual({ ok: false, text: 'npm error 404 not found' })
})

test('a program runs in the folder that it is given', async () => {
  expect(await run('pwd', [], { ...limits, cwd: '/' })).toEqual({ ok: true, text: '/' })
})
