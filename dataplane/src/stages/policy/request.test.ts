import type { GuardrailItem } from '@smartflow/core/snapshot/items'
import { describe, expect, it } from 'vitest'
import { readChat } from '../../llm/formats/openai-chat/read.ts'
import { inspectRequest, type Inspected } from './request.ts'
import { watching } from './test-guardrails.ts'

function inspect(text: string, ...guards: Parameters<typeof watching>[1][]): Inspected & { text: string } {
  const call = readChat(Buffer.from(text), {})
  const inspected = inspectRequest(call, watching('request', ...guards))
  return { ...inspected, text: inspected.call.body.text }
}

const BODY = String.raw`{ "model": "gpt-test", "temperature": 0.70, "messages": [
  {"role":"user","content":"caf\u00e9 from joe\u0040ex.org"}, {"role":"user", "content":"\u0020fine \/"},
  {"role":"assistant","tool_calls":[{"id":"XXXX","type":"function","function":{"name":"f","arguments":"{\"a\": \"joe\\u0040ex.org\", \"b\":1}"}}]}] }`

describe('a request', () => {
  it('is masked in its texts and byte for byte the same elsewhere, in every form of its body', () => {
    const { call, text, verdict, refusal } = inspect(BODY, { action: 'Redact' })
    expect(text).toBe(
      BODY.replace(String.raw`"caf\u00e9 from joe\u0040ex.org"`, '"café from [EMAIL]"').replace(
        String.raw`joe\\u0040ex.org`,
        '[EMAIL]',
      ),
    )
    expect(call.body.bytes.toString()).toBe(text)
    expect(JSON.stringify(call.body.value)).toBe(JSON.stringify(JSON.parse(text)))
    const span = call.body.members.get('messages')
    expect(span && JSON.parse(text.slice(span.start, span.end))).toEqual(call.body.value['messages'])
    expect(verdict).toMatchObject({ direction: 'request', action: 'redact', policies: ['p'] })
    expect(verdict.violations).toMatchObject([{ entity: 'email', count: 2, action: 'Redact', shadow: false }])
    expect(verdict.masked?.toString()).toBe(text)
    expect(refusal).toBeUndefined()
  })

  it('that is blocked is refused with what was found and what to do, and its record is masked', () => {
    const { refusal, verdict } = inspect(BODY, { action: 'Block' })
    expect(refusal).toMatchObject({ reason: 'policy_blocked', status: 403 })
    expect(refusal?.message).toBe(
      'This request was blocked for compliance: the guardrail "sensitive" of the policy "p" found email in it. ' +
        'Take that out and send it again, or ask your administrator.',
    )
    expect(refusal?.detail).toMatchObject({ violations: ['p/sensitive: email'], riskScore: 0.51, policies: ['p'] })
    expect(verdict.masked?.toString()).not.toMatch(/joe/)
  })

  it.each([
    ['Shadow', { action: 'Block', mode: 'Shadow' }, 'allow', true],
    ['AllowAndLog', { action: 'AllowAndLog' }, 'log', false],
  ] as const)('under %s goes on as the very call that came, and is on record', (_name, guard, action, shadow) => {
    const { call, verdict, refusal, text } = inspect(BODY, guard)
    expect([text, refusal, verdict.masked]).toEqual([BODY, undefined, undefined])
    expect(call.body.text).toBe(BODY)
    expect(verdict.action).toBe(action)
    expect(verdict.violations).toMatchObject([{ entity: 'email', shadow, action: guard.action }])
  })

  it('does what the strictest guardrail says: block, then mask, then record', () => {
    const redact: Partial<GuardrailItem> = { name: 'r', action: 'Redact', entities: ['Email'] }
    const log = { name: 'l', action: 'AllowAndLog' } as const
    expect(inspect(BODY, log, redact).verdict.action).toBe('redact')
    expect(inspect(BODY, log, redact).text).not.toMatch(/joe/)
    expect(inspect(BODY, log, redact, { name: 'b', action: 'Block' }).verdict.action).toBe('block')
    // Each looks for its own: what only the blocking one would find is not there.
    expect(inspect(BODY, redact, { name: 'b', action: 'Block', entities: ['Card'] }).verdict.action).toBe('redact')
  })

  it('whose guardrail fails is blocked or passes, as the guardrail says', () => {
    const blocked = inspect(BODY, { name: 'broken', onError: 'Block' })
    expect(blocked.refusal?.message).toMatch(/"broken" of the policy "p" failed, and is set to block then\. Try again/)
    const passed = inspect(BODY, { name: 'broken', onError: 'Allow' })
    expect([passed.refusal, passed.text]).toEqual([undefined, BODY])
    expect(passed.verdict.violations[0]).toMatchObject({ entity: 'error', action: 'AllowAndLog' })
  })

  it('that masks would make ambiguous is blocked instead', () => {
    const body =
      '{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"examples":[{"a@b.cd":1,"e@b.cd":2}]}]}'
    const { refusal, verdict } = inspect(body, { action: 'Redact' })
    expect(refusal?.message).toMatch(/found email/)
    expect(verdict.action).toBe('block')
  })
})
