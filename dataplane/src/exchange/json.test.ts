import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JsonBody, MAX_DEPTH, MAX_VALUES, rawMember, readJson, withMembers } from './json.ts'
import { Refusal } from './refusal.ts'

const read = (text: string): JsonBody => readJson(Buffer.from(text))

describe('readJson', () => {
  it('reads an object and knows where its top-level members stand', () => {
    const body = read('{ "model" : "gpt-4o", "n":\t[1, {"a": "}"}] ,"s":"\\"x\\\\"}')
    expect(body.value).toEqual({ model: 'gpt-4o', n: [1, { a: '}' }], s: '"x\\' })
    expect(rawMember(body, 'model')).toBe('"gpt-4o"')
    expect(rawMember(body, 'n')).toBe('[1, {"a": "}"}]')
    expect(rawMember(body, 's')).toBe('"\\"x\\\\"')
    expect(rawMember(body, 'absent')).toBeUndefined()
  })

  it.each([
    ['nothing', '', /empty/],
    ['no JSON', '{"model": ', /not JSON/],
    ['a list', '[]', /must be a JSON object/],
    ['a repeated member', '{"model":"a","model":"b"}', /"model" twice/],
    ['a member repeated by an escape', '{"model":"a","\\u006dodel":"b"}', /"model" twice/],
    ['a repeated member deep inside', '{"a":[{"b":{"c":1,"c":2}}]}', /"c" twice/],
    ['__proto__', '{"a":{"__proto__":{"admin":true}}}', /__proto__/],
    ['__proto__ by an escape', '{"\\u005f_proto__":1}', /__proto__/],
    ['half a surrogate pair', '{"messages":[{"content":"\\ud83d"}]}', /messages\.0\.content.*surrogate/],
    ['half a surrogate pair as a name', '{"\\udc00":1}', /surrogate/],
    ['deep nesting', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, /deeper than 128/],
    ['deep nesting without an end', '{"a":['.repeat(5_000), /deeper than 128/],
    ['too many values', `{"a":[${'0,'.repeat(MAX_VALUES)}0]}`, /more than 500000 values/],
  ])('refuses %s with a 400 that says so', (_name, text, message) => {
    expect(() => read(text)).toThrow(message)
    try {
      read(text)
    } catch (error) {
      expect(error).toBeInstanceOf(Refusal)
      expect((error as Refusal).status).toBe(400)
    }
  })

  it('reads damaged JSON to its end: what JSON.parse does not take is a Refusal, never anything else', () => {
    const text = '{"model": "a\\n\\u0041", "x": [1, {"y\\"": ["é", null, true]}, -1.5e3], "z": {"a": {}, "b": []}}'
    const damages = fc.array(
      fc.tuple(
        fc.nat(text.length),
        fc.nat(4),
        fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', 'x', '\\u00'),
      ),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(damages, edits => {
        const damaged = edits.reduce((was, [at, cut, added]) => was.slice(0, at) + added + was.slice(at + cut), text)
        try {
          expect(read(damaged).value).toEqual(JSON.parse(damaged))
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
        }
      }),
      { numRuns: 3_000 },
    )
  })

  it('refuses bytes that are no UTF-8', () => {
    expect(() => readJson(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(/UTF-8/)
  })

  it('takes whole surrogate pairs, equal names in different objects, and the allowed depth', () => {
    expect(read('{"a":"\\ud83d\\ude00","b":{"a":1},"c":[{"a":1},{"a":2}]}').value['a']).toBe('😀')
    expect(() => read(`{"a":${'['.repeat(MAX_DEPTH - 1)}${']'.repeat(MAX_DEPTH - 1)}}`)).not.toThrow()
  })

  it('agrees with JSON.parse on every object, and gives back each member as it was written', () => {
    const objects = fc.dictionary(
      fc.string().filter(name => name !== '__proto__'),
      fc.jsonValue({ maxDepth: 4 }),
    )
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 2), (object, indent) => {
        const text = JSON.stringify(object, null, indent)
        if (/\\ud[89a-f]/i.test(text) || text.includes('__proto__')) return
        const body = read(text)
        expect(body.value).toEqual(JSON.parse(text))
        for (const [name, value] of Object.entries(body.value))
          expect(JSON.parse(rawMember(body, name) ?? '')).toEqual(value)
      }),
    )
  })
})

describe('withMembers', () => {
  it('changes what is named, adds what is not there, and leaves the rest byte for byte', () => {
    const body = read('{"model": "openai/gpt-4o",  "x":1.0e2 }')
    const changed = withMembers(
      body,
      new Map([
        ['model', '"gpt-4o"'],
        ['stream_options', '{"include_usage":true}'],
      ]),
    )
    expect(changed.toString()).toBe('{"model": "gpt-4o",  "x":1.0e2 ,"stream_options":{"include_usage":true}}')
    expect(withMembers(body, new Map())).toBe(body.bytes)
    expect(withMembers(read('{}'), new Map([['a', '1']])).toString()).toBe('{"a":1}')
  })

  it('always gives the object with exactly the changes', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'é', '"')
    fc.assert(
      fc.property(
        fc.dictionary(names, fc.jsonValue({ maxDepth: 2 })),
        fc.dictionary(names, fc.integer()),
        (object, changes) => {
          const text = JSON.stringify(object)
          if (/\\ud[89a-f]/i.test(text) || text.includes('__proto__')) return
          const json = new Map(Object.entries(changes).map(([name, value]) => [name, JSON.stringify(value)] as const))
          expect(JSON.parse(withMembers(read(text), json).toString())).toEqual({ ...JSON.parse(text), ...changes })
        },
      ),
    )
  })
})
