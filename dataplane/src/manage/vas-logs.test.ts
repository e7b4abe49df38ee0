import { describe, expect, it } from 'vitest'
import type { ApiRequest } from '../exchange/route.ts'
import { auditRecord } from '../ports/audit-log.contract.ts'
import type { AuditLog, AuditRecord } from '../ports/audit-log.ts'
import { vasLogRoutes } from './vas-logs.ts'

/** The row of one record, as clients read it. */
async function rowOf(record: AuditRecord): Promise<Record<string, unknown>> {
  const audit: Pick<AuditLog, 'list'> = { list: async () => [{ record, content: undefined }] }
  const [list] = vasLogRoutes(audit as AuditLog, Date.now)
  const request: Partial<ApiRequest> = { query: new URLSearchParams() }
  const answer = await list?.answer(request as ApiRequest)
  return JSON.parse(JSON.stringify(answer?.body)).data[0]
}

const VIOLATION = {
  direction: 'request',
  policy: 'enterprise',
  guardrail: 'pii',
  entity: 'email',
  count: 2,
  action: 'Redact',
  shadow: false,
} as const

describe('the compliance of a row', () => {
  it('is compliant without an object when no guardrail looked (an old record, too)', async () => {
    const row = await rowOf(auditRecord({}))
    expect(row['compliance_status']).toBe('compliant')
    expect(row).not.toHaveProperty('compliance')
    expect(row).not.toHaveProperty('compliance_violations')
  })

  it('names what was found by guardrails in force, and details a shadow’s beside it', async () => {
    const shadow = { ...VIOLATION, entity: 'card', shadow: true }
    const compliance = {
      status: 'violated',
      action: 'redact',
      riskScore: 0.51,
      violations: [VIOLATION, shadow],
    } as const
    const row = await rowOf(auditRecord({ policies: ['enterprise'], compliance }))
    expect(row).toMatchObject({ compliance_status: 'violated', policies: ['enterprise'] })
    expect(JSON.parse(String(row['compliance_violations']))).toEqual([VIOLATION])
    expect(row['compliance']).toMatchObject({
      has_violations: true,
      compliance_score: 49,
      risk_level: 'medium',
      violations: ['enterprise/pii: email'],
      violations_details: [VIOLATION, shadow],
      pii_detected: ['email'],
      data_classification: 'sensitive',
      regulatory_frameworks: [],
      recommendations: [],
    })
  })

  it('scores 100 where nothing was found', async () => {
    const row = await rowOf(
      auditRecord({ compliance: { status: 'compliant', action: 'allow', riskScore: 0, violations: [] } }),
    )
    expect(row['compliance']).toMatchObject({ has_violations: false, compliance_score: 100, risk_level: 'low' })
    expect(row).not.toHaveProperty('compliance_violations')
  })
})
