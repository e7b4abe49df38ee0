// CRDs out of schemas: structural, bounded, described, with rules in CEL; and the files that hold them.
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { immutable, listMap, rule, valuesOnce } from '../resources/rule.ts'
import { definitionFiles } from './files.ts'
import { structuralSchema } from './structural.ts'

const text = (what: string) => z.string().max(9).describe(what)

describe('a schema', () => {
  test('becomes structural, with defaults written out and rules in CEL', () => {
    const entry = z.strictObject({ name: text('A name.'), size: z.int().min(1).default(3).describe('A size.') })
    const schema = z
      .strictObject({
        list: z
          .array(entry)
          .max(4)
          .check(listMap(['name'], 'once'))
          .optional()
          .describe('A list.'),
        set: z.array(z.string().max(2)).max(2).check(valuesOnce()).default([]).describe('A set.'),
        fixed: text('Never changes.').check(immutable('it is fixed')),
        inner: z
          .strictObject({ deep: text('Deep.').default('x') })
          .prefault({})
          .describe('An object.'),
        labels: z
          .record(z.string().max(5).regex(/^a+$/), text('A value.'))
          .check(rule({ cel: 'self.size() <= 7', message: 'is too long' }, () => true))
          .optional()
          .describe('A map.'),
      })
      .check(rule({ cel: 'self.set.size() < 9', message: 'is odd', path: ['set'] }, () => true))
    expect(structuralSchema(schema, 'Thing.spec')).toMatchInlineSnapshot(`
      {
        "properties": {
          "fixed": {
            "description": "Never changes.",
            "maxLength": 9,
            "type": "string",
            "x-kubernetes-validations": [
              {
                "message": "cannot be changed: it is fixed",
                "reason": "FieldValueForbidden",
                "rule": "self == oldSelf",
              },
            ],
          },
          "inner": {
            "default": {
              "deep": "x",
            },
            "description": "An object.",
            "properties": {
              "deep": {
                "default": "x",
                "description": "Deep.",
                "maxLength": 9,
                "type": "string",
              },
            },
            "type": "object",
          },
          "labels": {
            "additionalProperties": {
              "description": "A value.",
              "maxLength": 9,
              "type": "string",
            },
            "description": "A map.",
            "maxProperties": 7,
            "type": "object",
            "x-kubernetes-validations": [
              {
                "message": "has a key that is not allowed here",
                "reason": "FieldValueInvalid",
                "rule": "self.all(key, key.size() <= 5 && key.matches(r'^a+$'))",
              },
            ],
          },
          "list": {
            "description": "A list.",
            "items": {
              "properties": {
                "name": {
                  "description": "A name.",
                  "maxLength": 9,
                  "type": "string",
                },
                "size": {
                  "default": 3,
                  "description": "A size.",
                  "format": "int64",
                  "maximum": 9007199254740991,
                  "minimum": 1,
                  "type": "integer",
                },
              },
              "required": [
                "name",
              ],
              "type": "object",
            },
            "maxItems": 4,
            "type": "array",
            "x-kubernetes-list-map-keys": [
              "name",
            ],
            "x-kubernetes-list-type": "map",
          },
          "set": {
            "default": [],
            "description": "A set.",
            "items": {
              "maxLength": 2,
              "type": "string",
            },
            "maxItems": 2,
            "type": "array",
            "x-kubernetes-list-type": "set",
          },
        },
        "required": [
          "fixed",
        ],
        "type": "object",
        "x-kubernetes-validations": [
          {
            "fieldPath": ".set",
            "message": "is odd",
            "rule": "self.set.size() < 9",
          },
        ],
      }
    `)
  })

  test.each([
    ['a union', z.strictObject({ a: z.union([z.string(), z.int()]).describe('A.') }), /anyOf/],
    [
      'any value',
      z.strictObject({ a: z.unknown().describe('A.') }),
      /Thing\.spec\.a: a CRD cannot have values of type/,
    ],
    ['a list without a bound', z.strictObject({ a: z.array(z.int()).describe('A.') }), /Thing\.spec\.a: give the list/],
    [
      'a text without a bound',
      z.strictObject({ a: z.array(z.string()).max(1).describe('A.') }),
      /spec\.a\[\]: give the text/,
    ],
    [
      'a map without a bound',
      z.strictObject({ a: z.record(z.string(), text('A.')).describe('A.') }),
      /spec\.a: give the map/,
    ],
    ['a field without a description', z.strictObject({ a: z.int() }), /Thing\.spec\.a: describe the field/],
  ])('with %s is refused', (_what, schema, message) => {
    expect(() => structuralSchema(schema, 'Thing.spec')).toThrow(message)
  })
})

describe('the files', () => {
  const files = [...definitionFiles()]

  test('are a definition and a template for each kind, small enough for kubectl', () => {
    expect(files).toHaveLength(16)
    expect(files.filter(([, content]) => Buffer.byteLength(content) > 200 * 1_024).map(([file]) => file)).toEqual([])
  })

  test.each(files.filter(([file]) => file.startsWith('crds/')))(
    '%s is one object of YAML 1.1 and of 1.2',
    (_file, content) => {
      const readings = (['1.1', '1.2'] as const).map(version =>
        parseAllDocuments(content, { version }).map(each => each.toJS()),
      )
      expect(readings[0]).toHaveLength(1)
      expect(readings[0]).toEqual(readings[1])
    },
  )

  test('of the chart keep the definitions unless told otherwise, and are else the same', () => {
    for (const [file, content] of files.filter(([each]) => each.startsWith('charts/'))) {
      const [before, kept, ...rest] = content.split(/^ *\{\{- .*\}\}\n/m)
      expect(kept?.trim()).toMatch(/helm\.sh\/resource-policy: keep/)
      const plain = files.find(([each]) => each === `crds/${file.split('/').at(-1)}`)?.[1]
      expect((before + rest.join('')).replaceAll('{{ "{{" }}', '{{')).toBe(plain)
    }
  })
})
