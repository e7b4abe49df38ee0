// A folder in use: files change, break, vanish for a moment; what was good before stays in force.
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigFolder, type FolderState } from './folder.ts'

let path = ''
const open: ConfigFolder[] = []

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'folder-'))
})

afterEach(async () => {
  for (const folder of open.splice(0)) folder.close()
  await rm(path, { recursive: true, force: true })
})

/** Without `onChange` it is only read when a test says so. */
function folderOf(onChange?: (state: FolderState) => void): ConfigFolder {
  const folder =
    onChange === undefined
      ? new ConfigFolder(path, { debounce: 60_000, rescan: 60_000 })
      : new ConfigFolder(path, { debounce: 5, rescan: 60_000, onChange })
  open.push(folder)
  return folder
}

const key = (name: string, more = ''): string =>
  `apiVersion: smartflow.dev/v1alpha1\nkind: VirtualKey\nmetadata: { name: ${name} }\nspec: { alias: ${name}${more} }\n`

const put = (file: string, text: string): Promise<void> => writeFile(join(path, file), text)
const names = (state: FolderState): string[] => state.resources.map(each => each.metadata.name)

describe('a folder', () => {
  test('gives the objects of all its files, those of subfolders too, and of nothing else', async () => {
    await mkdir(join(path, 'keys/more'), { recursive: true })
    await mkdir(join(path, '.git'))
    await put('b.yml', key('b'))
    await put('keys/more/a.yaml', `${key('a')}---\n${key('c')}`)
    await put('readme.md', 'not yaml')
    await put('.git/x.yaml', key('hidden'))
    expect(names(await folderOf().scan())).toEqual(['b', 'a', 'c'])
  })

  test('reads links, as a mounted ConfigMap has them', async () => {
    await mkdir(join(path, '..2026'))
    await put('..2026/a.yaml', key('a'))
    await symlink('..2026', join(path, '..data'))
    await symlink('..data/a.yaml', join(path, 'a.yaml'))
    expect(names(await folderOf().scan())).toEqual(['a'])
  })

  test('serves at the start what is good of a bad file, and says what is not', async () => {
    await put('a.yaml', `${key('a')}---\n${key('b', ', rol: x')}`)
    const state = await folderOf().scan()
    expect(names(state)).toEqual(['a'])
    expect(state.problems).toMatchObject([{ file: 'a.yaml', line: 9, field: 'spec.rol' }])
  })

  test("keeps a file's last good objects while one document is bad, and follows the other files", async () => {
    await put('a.yaml', `${key('a')}---\n${key('b')}`)
    await put('c.yaml', key('c'))
    const folder = folderOf()
    await folder.scan()
    await put('a.yaml', `${key('a', ', suspend: true')}---\n${key('b', ', rol: x')}`)
    await put('c.yaml', key('d'))
    const broken = await folder.scan()
    expect(names(broken)).toEqual(['a', 'b', 'd'])
    expect(broken.resources[0]).toMatchObject({ spec: { suspend: false } })
    expect(broken.problems).toHaveLength(1)
    await put('a.yaml', key('a', ', suspend: true'))
    const repaired = await folder.scan()
    expect(names(repaired)).toEqual(['a', 'd'])
    expect(repaired.problems).toEqual([])
  })

  test('is not emptied by a file that is empty or cut off while somebody writes it', async () => {
    await put('a.yaml', key('a'))
    const folder = folderOf()
    await folder.scan()
    for (const text of ['', '\n \n', key('a').slice(0, 60), 'apiVersion: "']) {
      await put('a.yaml', text)
      const state = await folder.scan()
      expect(names(state)).toEqual(['a'])
      expect(state.problems).toHaveLength(1)
    }
    await put('a.yaml', key('a'))
    expect((await folder.scan()).problems).toEqual([])
  })

  test("drops a file's objects only when two scans in a row did not find it", async () => {
    await put('a.yaml', key('a'))
    const folder = folderOf()
    await folder.scan()
    await rename(join(path, 'a.yaml'), join(path, 'a.yaml~'))
    expect(names(await folder.scan())).toEqual(['a'])
    await put('a.yaml', key('b'))
    expect(names(await folder.scan())).toEqual(['b'])
    await rm(join(path, 'a.yaml'))
    await folder.scan()
    expect(names(await folder.scan())).toEqual([])
  })

  test('lets go of objects that were commented out', async () => {
    await put('a.yaml', key('a'))
    const folder = folderOf()
    await folder.scan()
    await put('a.yaml', '# nothing any more\n')
    expect(await folder.scan()).toEqual({ resources: [], problems: [] })
  })

  test('keeps everything when the folder itself cannot be read', async () => {
    await put('a.yaml', key('a'))
    const folder = folderOf()
    await folder.scan()
    await rename(path, `${path}-away`)
    await folder.scan()
    const state = await folder.scan()
    await rename(`${path}-away`, path)
    expect(names(state)).toEqual(['a'])
    expect(state.problems).toMatchObject([{ file: '.', message: expect.stringContaining('ENOENT') }])
    expect((await folder.scan()).problems).toEqual([])
  })

  test('takes an object that stands in two files from the first, and says so', async () => {
    await put('a.yaml', key('a'))
    await put('b.yaml', key('a', ', suspend: true'))
    const state = await folderOf().scan()
    expect(state.resources).toMatchObject([{ spec: { suspend: false } }])
    expect(state.problems).toMatchObject([{ file: 'b.yaml', message: expect.stringContaining('a.yaml') }])
  })

  test('never lists more than 100 problems', async () => {
    await put('a.yaml', Array.from({ length: 150 }, (_, at) => key(`k${at}`, ', rol: x')).join('---\n'))
    expect((await folderOf().scan()).problems).toHaveLength(100)
  })
})

describe('any sequence of edits', () => {
  const edit = fc.oneof(
    fc.record({ kind: fc.constant('good' as const), name: fc.constantFrom('a', 'b', 'c') }),
    fc.record({
      kind: fc.constant('bad' as const),
      text: fc.constantFrom('', '\n', '{', 'kind: VirtualKey', key('a').slice(0, 50)),
    }),
    fc.constant({ kind: 'gone for one scan' as const }),
  )

  test('leaves in force what the file last held in good order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 8 }), async edits => {
        const folder = folderOf()
        await put('x.yaml', key('first'))
        await folder.scan()
        let good = 'first'
        for (const each of edits) {
          if (each.kind === 'good') await put('x.yaml', key((good = each.name)))
          else if (each.kind === 'bad') await put('x.yaml', each.text)
          else await rm(join(path, 'x.yaml'), { force: true })
          const state = await folder.scan()
          expect(names(state)).toEqual([good])
          await put('x.yaml', key(good))
          await folder.scan()
        }
        folder.close()
      }),
      { numRuns: 25 },
    )
  })
})

describe('watching', () => {
  test('reports a change without being asked, and nothing when nothing changed', async () => {
    await put('a.yaml', key('a'))
    const { promise: changed, resolve } = Promise.withResolvers<FolderState>()
    const seen: string[][] = []
    const folder = folderOf(state => {
      seen.push(names(state))
      if (names(state).includes('b')) resolve(state)
    })
    await folder.start()
    await folder.scan()
    await put('b.yaml', key('b'))
    expect(names(await changed)).toEqual(['a', 'b'])
    await folder.scan()
    expect(seen).toEqual([['a'], ['a', 'b']])
  })

  test('ends with close', async () => {
    const folder = folderOf(() => expect.unreachable('closed folders report nothing'))
    await folder.start()
    folder.close()
    await put('a.yaml', key('a'))
    expect(names(await folder.scan())).toEqual(['a'])
  })
})
