// A kind's CustomResourceDefinition, and its text as files and charts hold it.
import { stringify } from 'yaml'
import type { z } from 'zod'
import { CATEGORY, type Definition, DEFINITIONS } from '../resources/definitions.ts'
import { API_VERSION } from '../resources/metadata.ts'
import { type Kind, KINDS } from '../resources/resource.ts'
import { structuralSchema } from './structural.ts'

const [GROUP = '', VERSION = ''] = API_VERSION.split('/')

const GENERATED = '# Generated from core/src/resources by `make generate`; changes here are lost.\n'

/** Marks the place of annotations in the chart's text. */
const ANNOTATED =
  '{{- if ne (toString .Values.keep) "false" }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}'

/** The definition as an object. */
export function customResourceDefinition(kind: Kind): object {
  const { plural, singular, shortNames, scope, columns, selectableFields }: Definition = DEFINITIONS[kind]
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames, categories: [CATEGORY] },
      scope,
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          ...(selectableFields.length > 0 && { selectableFields: selectableFields.map(jsonPath => ({ jsonPath })) }),
          schema: { openAPIV3Schema: schemaOf(kind) },
        },
      ],
    },
  }
}

function schemaOf(kind: Kind): object {
  const { description, status }: Definition = DEFINITIONS[kind]
  const spec: z.ZodType = KINDS[kind].shape.spec
  const written = structuralSchema(spec, `${kind}.spec`)
  return {
    description,
    type: 'object',
    ...(written.default === undefined && { required: ['spec'] }),
    properties: {
      apiVersion: { type: 'string', description: `The version of the API: ${API_VERSION}.` },
      kind: { type: 'string', description: `The kind: ${kind}.` },
      metadata: { type: 'object' },
      spec: { description: 'What is wanted.', ...written },
      status: {
        description: 'What is so. Written by the operator.',
        default: { observedGeneration: -1 },
        ...structuralSchema(status, `${kind}.status`),
      },
    },
  }
}

/** A file for `kubectl apply`. */
export function definitionFile(kind: Kind): string {
  return GENERATED + textOf(customResourceDefinition(kind))
}

/** A template of a chart that keeps the definition, and so all objects, when it is uninstalled, unless told otherwise. */
export function definitionTemplate(kind: Kind): string {
  const text = textOf(customResourceDefinition(kind)).replaceAll('{{', '{{ "{{" }}')
  return GENERATED + text.replace(/^( {2}name: .*)$/m, (name: string) => `${name}\n  ${ANNOTATED}`)
}

function textOf(definition: object): string {
  // Kubernetes reads YAML 1.1, to which `on` and `no` without quotes are true and false.
  return stringify(definition, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })
}
