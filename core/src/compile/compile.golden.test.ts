// Golden files of compile: testdata/*.in.yaml → *.out.yaml. After an intended change run with UPDATE_GOLDEN=1 and read
// the diff.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { z } from 'zod'
import { parseResource, type Resource } from '../resources/resource.ts'
import { Item } from '../snapshot/items.ts'
import { Keyring } from '../snapshot/keyring.ts'
import { compile } from './compile.ts'
import type { World } from './world.ts'

const FOLDER = new URL('./testdata/', import.meta.url)
const UPDATE = process.env['UPDATE_GOLDEN'] === '1'

const Setting = z.strictObject({
  standalone: z.boolean().default(false),
  environment: z.record(z.string(), z.string()).optional(),
  secrets: z.record(z.string(), z.record(z.string(), z.string())).default({}),
  gatewayNamespace: z.string().optional(),
  namespaces: z.record(z.string(), z.record(z.string(), z.string())).optional(),
})

/** The first document is the setting, the others are the objects. */
function readWorld(name: string): World {
  const [first, ...objects] = parseAllDocuments(readFileSync(new URL(name, FOLDER), 'utf8')).map(each => each.toJS())
  const { standalone, environment, secrets, gatewayNamespace, namespaces } = Setting.parse(first)
  const resources = objects.map((object): Resource => {
    const resource = parseResource(object)
    if (Array.isArray(resource)) throw new Error(`${name}: ${resource.map(problem => problem.message).join('; ')}`)
    return resource
  })
  const keyring = Keyring.fromMaster(Buffer.alloc(32, 7))
  return {
    resources,
    secrets: new Map(Object.entries(secrets)),
    environment,
    standalone,
    keyring,
    gatewayNamespace,
    namespaces: namespaces === undefined ? undefined : new Map(Object.entries(namespaces)),
  }
}

function written(world: World): string {
  const { compiled, statuses, hosts } = compile(world)
  const tenants = Object.fromEntries(compiled.tenants)
  return stringify(
    { settings: compiled.settings, tenants, statuses, hosts: Object.fromEntries(hosts) },
    { lineWidth: 0, singleQuote: true, aliasDuplicateObjects: false },
  )
}

describe('compile gives what the golden file says', () => {
  const inputs = readdirSync(FOLDER).filter(name => name.endsWith('.in.yaml'))

  test.each(inputs)('%s', name => {
    const world = readWorld(name)
    const output = new URL(name.replace('.in.', '.out.'), FOLDER)
    const text = written(world)
    if (UPDATE) writeFileSync(output, text)
    expect(parse(text)).toEqual(parse(readFileSync(output, 'utf8')))
  })

  test.each(inputs)('%s holds only items that readers accept, and no token and no credential', name => {
    const world = readWorld(name)
    const items = [...compile(world).compiled.tenants.values()].flat()
    expect(z.array(Item).parse(items)).toEqual(items)
    const text = JSON.stringify(items)
    const values = [...world.secrets.values()].flatMap(secret => Object.values(secret).map(value => value.trim()))
    expect(values.filter(value => text.includes(value) && value !== 'fine')).toEqual([])
  })
})
