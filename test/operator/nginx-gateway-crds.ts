// The members of NGINX Gateway Fabric's policies that the operator writes. Upstream's definitions are not to be had as a
// module, so these are written down from its reference, with nothing beside what we use.

function definition(kind: string, plural: string, spec: object) {
  const group = 'gateway.nginx.org'
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
        },
      ],
    },
  }
}

const text = { type: 'string' }
const duration = { type: 'string', pattern: '^[0-9]{1,4}(ms|s|m|h)?$' }
const size = { type: 'string', pattern: '^[0-9]{1,4}(k|m|g)?$' }
const target = {
  type: 'object',
  required: ['group', 'kind', 'name'],
  properties: { group: text, kind: { type: 'string', enum: ['Gateway', 'HTTPRoute', 'GRPCRoute'] }, name: text },
}

export const NGINX_GATEWAY_DEFINITIONS = [
  definition('ProxySettingsPolicy', 'proxysettingspolicies', {
    type: 'object',
    required: ['targetRefs'],
    properties: {
      targetRefs: { type: 'array', minItems: 1, maxItems: 16, items: target },
      buffering: { type: 'object', properties: { disable: { type: 'boolean' } } },
      timeout: { type: 'object', properties: { connect: duration, read: duration, send: duration } },
    },
  }),
  definition('ClientSettingsPolicy', 'clientsettingspolicies', {
    type: 'object',
    required: ['targetRef'],
    properties: { targetRef: target, body: { type: 'object', properties: { maxSize: size, timeout: duration } } },
  }),
]
