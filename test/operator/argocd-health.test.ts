// Argo CD's view of our resources: the script that users give it, run on the interpreter that Argo CD uses.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { argoHealth } from '../../hack/control-plane/judges.ts'

const FILE = new URL('../../docs/gitops/argocd-cm.yaml', import.meta.url)
const KINDS = ['AIGateway', 'AITenant', 'AIProvider', 'VirtualKey', 'FallbackChain', 'Policy', 'McpServer', 'Agent']

const { data } = z.strictObject({ data: z.record(z.string(), z.string()) }).parse(parse(readFileSync(FILE, 'utf8')))
const [script = ''] = Object.values(data)

test('every kind has the script', () => {
  expect(Object.keys(data)).toEqual(KINDS.map(kind => `resource.customizations.health.smartflow.dev_${kind}`))
  expect(new Set(Object.values(data)).size).toBe(1)
})

const ready = { type: 'Ready', status: 'True', message: 'in force on 3 pods' }
const pending = { type: 'Ready', status: 'False', message: '1 of 3 pods has it' }
const stalled = { type: 'Stalled', status: 'True', message: 'spec.alias is taken' }

test.each([
  ['nobody has looked at it', undefined, 'Progressing', 'waiting for the operator'],
  ['the API server filled the default in', { observedGeneration: -1 }, 'Progressing', 'waiting for the operator'],
  [
    'the status is of an older spec',
    { observedGeneration: 1, conditions: [ready] },
    'Progressing',
    'waiting for the operator',
  ],
  ['nothing is said of it yet', { observedGeneration: 2, conditions: [] }, 'Progressing', 'waiting for the operator'],
  [
    'it is in force',
    { observedGeneration: 2, conditions: [{ type: 'Accepted', status: 'True' }, ready] },
    'Healthy',
    ready.message,
  ],
  ['it is not in force yet', { observedGeneration: 2, conditions: [pending] }, 'Progressing', pending.message],
  ['only its author can help', { observedGeneration: 2, conditions: [pending, stalled] }, 'Degraded', stalled.message],
  [
    'it was stalled once',
    { observedGeneration: 2, conditions: [{ ...stalled, status: 'False' }, ready] },
    'Healthy',
    ready.message,
  ],
])(
  'when %s',
  async (_when, status, health, message) => {
    const object = {
      apiVersion: 'smartflow.dev/v1alpha1',
      kind: 'VirtualKey',
      metadata: { name: 'a', generation: 2 },
      status,
    }
    expect(await argoHealth(script, object)).toEqual({ status: health, message })
  },
  300_000,
)
