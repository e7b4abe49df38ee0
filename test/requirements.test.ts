// Every requirement that this release serves is cited by a test.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { REQUIREMENTS } from './requirements.ts'

const ROOT = join(import.meta.dirname, '..')
const TESTS = '{core,dataplane,operator,test}/**/*.{test,contract}.ts'

test('every served requirement is cited by a test', () => {
  const cited = new Set<string>()
  for (const file of globSync(TESTS, { cwd: ROOT, exclude: ['**/node_modules/**'] })) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    for (const [, ids = ''] of text.matchAll(/\bverifies\(([^)]*)\)/g)) {
      for (const [, id = ''] of ids.matchAll(/'([A-Z]\d\d)'/g)) cited.add(id)
    }
  }
  expect(Object.keys(REQUIREMENTS).filter(id => !cited.has(id))).toEqual([])
})
