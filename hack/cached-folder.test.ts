// Folders of the cache are made once, whole or not at all.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { cachedFolder } from './cached-folder.ts'

function emptyCache(): Record<string, string> & { SMARTFLOW_CACHE_DIR: string } {
  const root = mkdtempSync(join(tmpdir(), 'cached-folder-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  return { SMARTFLOW_CACHE_DIR: join(root, 'cache') }
}

test('a folder is made once, also when several ask at once', async () => {
  const env = emptyCache()
  let made = 0
  const ask = (): Promise<string> =>
    cachedFolder('thing-1.0', env, async work => {
      made++
      writeFileSync(join(work, 'file'), 'whole')
    })
  const folders = new Set(await Promise.all([ask(), ask()]))
  expect(folders).toEqual(new Set([join(env.SMARTFLOW_CACHE_DIR, 'thing-1.0')]))
  const before = made
  expect(readFileSync(join(await ask(), 'file'), 'utf8')).toBe('whole')
  expect(made).toBe(before)
  expect(readdirSync(env.SMARTFLOW_CACHE_DIR)).toEqual(['thing-1.0'])
})

test('what goes wrong leaves nothing behind', async () => {
  const env = emptyCache()
  const broken = cachedFolder('thing-1.0', env, async work => {
    writeFileSync(join(work, 'file'), 'half')
    throw new Error('no way to the index')
  })
  await expect(broken).rejects.toThrow('no way to the index')
  expect(readdirSync(env.SMARTFLOW_CACHE_DIR)).toEqual([])
})
