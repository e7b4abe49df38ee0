// Names and addresses of the network: URLs, host names, address ranges.
import { isIP } from 'node:net'
import { z } from 'zod'
import { clusterRule, rule } from './rule.ts'

const DNS_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$/

/** A full DNS name without a wildcard, as `acme.ai.example.com`; not an IP address. */
export const DomainName = z
  .string()
  .max(253)
  .regex(DNS_NAME, { error: 'must be a full host name in lower-case letters, like acme.ai.example.com' })
  .check(rule({ cel: '!isIP(self)', message: 'is an IP address; give a host name' }, text => isIP(text) === 0))

/** A domain: `example.com` for itself and every name below it, `*.example.com` for the names one label below. */
export const Domain = z
  .string()
  .max(253)
  .regex(/^([*][.])?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$/, {
    error: 'must be a domain in lower-case letters, like ai.example.com or *.ai.example.com',
  })

/** A range of addresses, like `10.0.0.0/8`. */
export const CIDR = z
  .string()
  .max(43)
  .check(rule({ cel: 'isCIDR(self)', message: 'must be a range of addresses like 10.0.0.0/8' }, isCIDR))

function isCIDR(text: string): boolean {
  const [address = '', bits = '', rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest !== undefined || !/^(0|[1-9][0-9]{0,2})$/.test(bits)) return false
  return Number(bits) <= (version === 4 ? 32 : 128)
}

const PLAIN_URL = 'must be an http or https address without user, query or fragment, like https://llm.example.com/v1'

/** An http or https address without user, query or fragment. */
export const BaseURL = z
  .string()
  .max(2048)
  .regex(/^(?i:https?):\/\/[^/\\@?#\s]+(\/[^\\?#\s]*)?$/, { error: PLAIN_URL, abort: true })
  .check(rule({ cel: 'isURL(self)', message: PLAIN_URL }, text => URL.parse(text) !== null))

/** Addresses by their text. Both JavaScript and the API server read these patterns; `$` stands for a host's end. */
const PLACES = {
  private: host`(10|172[.](1[6-9]|2[0-9]|3[01])|192[.]168|100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])|0)[.][0-9.]+$|\[(?i:f[cd][0-9a-f]{2}:)|\[::\]`,
  linkLocal: host`169[.]254[.][0-9.]+$|\[(?i:fe[89ab][0-9a-f]:)`,
  own: host`127[.][0-9.]+$|\[::1\]|([^/:]*[.])?(?i:localhost)[.]?$`,
  /** Numbers that are no dotted quad, octal and hexadecimal parts, IPv4 within IPv6. */
  unusual: host`[0-9]+$|([0-9]+[.]){1,2}[0-9]*$|([0-9]+[.]){4}[0-9]|[0-9.]*0[0-9]+[0-9.]*$|[0-9.]*0(?i:x)[0-9a-fA-F.x]*$|\[[0:]*:(?i:ffff)?:?[0-9.]+[.]|\[[0:]*:(?i:ffff):`,
} as const

function host(parts: TemplateStringsArray): string {
  return `^(?i:https?)://(${parts.raw.join('').replaceAll('$', '([:/]|$)')})`
}

/** What has an address that the gateway calls. */
interface Callee {
  readonly allowPrivateEndpoint?: boolean | undefined
}

/**
 * The rules of an address that the gateway calls, for the object that holds it under `field` beside
 * `allowPrivateEndpoint`. Names may still lead to such addresses: the data plane looks again when it connects. A folder
 * may name this machine, so that its addresses are looked at by compile, which knows where it runs.
 */
export function endpointRules<T extends Callee>(field: string, addressOf: (value: T) => string | undefined) {
  const allowed = '(has(self.allowPrivateEndpoint) && self.allowPrivateEndpoint)'
  const is = (pattern: string) => `has(self.${field}) && self.${field}.matches(r'${pattern}')`
  const path = [field]
  const allow = 'set allowPrivateEndpoint: true to allow it'
  const never = (pattern: string, message: string) => clusterRule<T>({ cel: `!(${is(pattern)})`, message, path })
  return [
    rule<T>(
      {
        cel: `${allowed} || !(${is('^(?i:http):')})`,
        message: 'is not https: the credential would travel in the clear; use https, or set allowPrivateEndpoint: true',
        path,
      },
      value => value.allowPrivateEndpoint === true || !/^http:/i.test(addressOf(value) ?? ''),
    ),
    never(PLACES.unusual, 'is an IP address in an unusual form; write it plainly, like 203.0.113.7'),
    never(PLACES.linkLocal, 'is a link-local address, which the gateway never calls'),
    never(PLACES.own, 'is the machine of the gateway itself; name the Service instead'),
    clusterRule<T>({ cel: `${allowed} || !(${is(PLACES.private)})`, message: `is a private address; ${allow}`, path }),
  ] as const
}
