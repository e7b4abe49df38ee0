// A zod schema as Kubernetes wants it in a CRD: structural, bounded, with its rules in CEL.
import { z } from 'zod'
import { annotationsOf, type CelRule, type ListType } from '../resources/rule.ts'

/** The part of OpenAPI that a CRD may have. */
export interface StructuralSchema {
  description?: string
  type?: string
  format?: string
  default?: unknown
  enum?: unknown[]
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  maxProperties?: number
  required?: string[]
  properties?: Record<string, StructuralSchema>
  additionalProperties?: StructuralSchema
  items?: StructuralSchema
  'x-kubernetes-list-type'?: string
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-validations'?: CelRule[]
}

/** Times as the API server's `date-time` and ours both read them. */
const TIME = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$'
const TIME_LENGTH = 35

/** Longest keys of maps; the rules that look at each of them have to be bounded. */
const MAP_KEY_LENGTH = 317

/** Bounds of maps that a rule states otherwise than by `maxProperties`. */
const SIZE_RULE = /^self\.size\(\) <= ([0-9]+)$/

/**
 * The schema. Throws for what no structural schema can say (unions, values of any type) and for what has no bound or no
 * description, naming the place.
 */
export function structuralSchema(schema: z.ZodType, place: string): StructuralSchema {
  const written: unknown = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => annotate(zodSchema, jsonSchema),
  })
  // A copy: places that share a zod schema share objects too.
  return rewritten(Json.parse(JSON.parse(JSON.stringify(written))), place)
}

const Json = z.record(z.string(), z.unknown())
type Json = z.infer<typeof Json>

function annotate(schema: z.core.$ZodType, json: Json): void {
  for (const { rule, list } of annotationsOf(schema)) {
    if (rule !== undefined) addRule(json, rule)
    if (list !== undefined) addListType(json, list)
  }
  if (schema instanceof z.ZodRecord) annotateMap(schema, json)
}

function addRule(json: Json, rule: CelRule): void {
  const bound = SIZE_RULE.exec(rule.rule)?.[1]
  if (bound !== undefined && json['type'] === 'object') {
    json['maxProperties'] = Number(bound)
    return
  }
  const known = json['x-kubernetes-validations']
  json['x-kubernetes-validations'] = [...(Array.isArray(known) ? known : []), rule]
}

function addListType(json: Json, list: ListType): void {
  json['x-kubernetes-list-type'] = list.type
  if (list.type === 'map') json['x-kubernetes-list-map-keys'] = list.keys
}

/** Keys of maps have no schema in a CRD: a rule looks at them. */
function annotateMap(schema: z.ZodRecord, json: Json): void {
  const key = Json.parse(z.toJSONSchema(schema.keyType, { target: 'openapi-3.0', io: 'input' }))
  const bound = typeof key['maxLength'] === 'number' ? key['maxLength'] : MAP_KEY_LENGTH
  const matches = typeof key['pattern'] === 'string' ? ` && key.matches(r'${key['pattern']}')` : ''
  addRule(json, {
    rule: `self.all(key, key.size() <= ${bound}${matches})`,
    message: 'has a key that is not allowed here',
    reason: 'FieldValueInvalid',
  })
}

function rewritten(json: Json, place: string): StructuralSchema {
  for (const word of ['anyOf', 'oneOf', 'allOf', 'not', '$ref', 'nullable']) {
    if (word in json) throw new Error(`${place}: a CRD cannot have ${word}; change the schema`)
  }
  switch (json['type']) {
    case 'object':
      return withWholeDefault({ ...base(json), ...objectParts(json, place), ...rulesOf(json) })
    case 'array':
      return { ...base(json), ...listParts(json, place), ...rulesOf(json) }
    case 'string':
      return { ...base(json), ...stringParts(json, place), ...rulesOf(json) }
    case 'integer':
      return { ...base(json), format: 'int64', ...pick(json, ['minimum', 'maximum']), ...rulesOf(json) }
    case 'boolean':
      return { ...base(json), ...rulesOf(json) }
    default:
      throw new Error(`${place}: a CRD cannot have values of type ${String(json['type'])}; change the schema`)
  }
}

const base = (json: Json): StructuralSchema => pick(json, ['description', 'type', 'default', 'enum'])
const rulesOf = (json: Json): StructuralSchema => pick(json, ['x-kubernetes-validations'])

function pick(json: Json, names: readonly string[]): StructuralSchema {
  return Object.fromEntries(names.flatMap(name => (json[name] === undefined ? [] : [[name, json[name]]])))
}

function objectParts(json: Json, place: string): StructuralSchema {
  if (json['properties'] === undefined) {
    if (json['maxProperties'] === undefined) throw new Error(`${place}: give the map a bound`)
    const values = rewritten(Json.parse(json['additionalProperties']), `${place}.*`)
    return { ...pick(json, ['maxProperties']), additionalProperties: values }
  }
  const properties = Object.entries(Json.parse(json['properties'])).map(([name, value]) => {
    const property = rewritten(Json.parse(value), `${place}.${name}`)
    if (property.description === undefined) throw new Error(`${place}.${name}: describe the field`)
    return [name, property] as const
  })
  return { ...pick(json, ['required']), properties: Object.fromEntries(properties) }
}

/** Rules look at a default as it is written, so that the defaults inside of it are written out. */
function withWholeDefault(schema: StructuralSchema): StructuralSchema {
  if (schema.default === undefined || schema.properties === undefined) return schema
  const inner = Object.entries(schema.properties).flatMap(([name, property]) =>
    property.default === undefined ? [] : [[name, property.default] as const],
  )
  return { ...schema, default: { ...Object.fromEntries(inner), ...Json.parse(schema.default) } }
}

function listParts(json: Json, place: string): StructuralSchema {
  if (json['maxItems'] === undefined) throw new Error(`${place}: give the list a bound`)
  const words = ['minItems', 'maxItems', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys']
  const listType = json['x-kubernetes-list-type'] === undefined ? { 'x-kubernetes-list-type': 'atomic' } : {}
  return { ...pick(json, words), ...listType, items: rewritten(Json.parse(json['items']), `${place}[]`) }
}

function stringParts(json: Json, place: string): StructuralSchema {
  if (json['format'] === 'date-time') return { format: 'date-time', maxLength: TIME_LENGTH, pattern: TIME }
  if (json['enum'] !== undefined) return {}
  if (json['maxLength'] === undefined) throw new Error(`${place}: give the text a longest length`)
  return pick(json, ['minLength', 'maxLength', 'pattern'])
}
