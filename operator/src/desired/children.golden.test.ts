// Golden files of the children: testdata/*.in.yaml → *.out.yaml. After an intended change run with UPDATE_GOLDEN=1 and
// read the diff.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { NewObject } from '../api/resource-type.ts'
import { childStatus } from './child-status.ts'
import { childrenOf, gatewayChildrenOf } from './children.ts'
import { FOLDER, readCase } from './golden-case.ts'

const UPDATE = process.env['UPDATE_GOLDEN'] === '1'

function outcome(name: string) {
  const { gateway, gatewayId, services, available, tenants, inputOf } = readCase(name)
  const ofTenants = tenants.map(tenant => {
    const input = inputOf(tenant)
    const { conditions, endpoints } = childStatus(input, [])
    return [tenant.metadata.name, { children: childrenOf(input), conditions, endpoints }] as const
  })
  return {
    gateway: gatewayChildrenOf({ gateway, gatewayId, services, available }),
    tenants: Object.fromEntries(ofTenants),
  }
}

function childrenIn(name: string): NewObject[] {
  const { gateway, tenants } = outcome(name)
  return [...gateway, ...Object.values(tenants).flatMap(({ children }) => children)]
}

describe('children are what the golden file says', () => {
  const inputs = readdirSync(FOLDER).filter(name => name.endsWith('.in.yaml'))

  test.each(inputs)('%s', name => {
    const output = new URL(name.replace('.in.', '.out.'), FOLDER)
    const text = stringify(outcome(name), { lineWidth: 0, singleQuote: true, aliasDuplicateObjects: false })
    if (UPDATE) writeFileSync(output, text)
    // As text: the order of members and of objects is part of what is promised.
    expect(text).toBe(readFileSync(output, 'utf8'))
    expect(parse(text)).toEqual(outcome(name))
  })

  test.each(inputs)('%s holds nothing of a user, no snippets, no status, and an owner for everything', name => {
    for (const child of childrenIn(name)) {
      expect(Object.keys(child)).toEqual(['apiVersion', 'kind', 'metadata', 'spec'])
      expect(child.metadata.name.length).toBeLessThanOrEqual(63)
      expect(child.metadata.namespace).toBe('ai-gateway')
      expect(child.metadata.ownerReferences).toHaveLength(1)
      expect(child.metadata.labels?.['app.kubernetes.io/managed-by']).toBe('smartflow-operator')
      expect(JSON.stringify(child.metadata)).not.toMatch(/argocd|app\.kubernetes\.io\/instance|snippet/)
    }
  })
})
