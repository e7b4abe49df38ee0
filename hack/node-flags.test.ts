// What is started here, and what the chart starts, runs with the same heap.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { GATEWAY_NODE_FLAGS } from './gateway-command.ts'
import { OPERATOR_NODE_FLAGS } from './operator-command.ts'

test('the chart has the flags of node that are used here', () => {
  const values: unknown = parse(readFileSync(join(import.meta.dirname, '../charts/smartflow/values.yaml'), 'utf8'))
  expect(values).toMatchObject({
    dataplane: { nodeFlags: GATEWAY_NODE_FLAGS },
    operator: { nodeFlags: OPERATOR_NODE_FLAGS },
  })
})
