// Golden file of what the author of bad values is told: testdata/bad-values.yaml → bad-values.txt, a problem a line.
// After an intended change run with UPDATE_GOLDEN=1 and read the diff.
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readDocuments } from './document.ts'

const FOLDER = new URL('./testdata/', import.meta.url)

test('every bad value is refused at its place, with what to write', () => {
  const input = readFileSync(new URL('bad-values.yaml', FOLDER), 'utf8')
  const { resources, problems } = readDocuments('bad-values.yaml', input)
  const lines = problems.map(each => `${each.file}:${each.line}:${each.column} ${each.reason} ${each.message}\n`)
  const output = new URL('bad-values.txt', FOLDER)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(output, lines.join(''))
  expect(lines.join('')).toBe(readFileSync(output, 'utf8'))
  expect(resources).toEqual([])
})
