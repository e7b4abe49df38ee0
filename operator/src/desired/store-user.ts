// A tenant's user of the store, for its sidecars: its name, what it may do, and the address with its password. The rules
// are those of docs/kubernetes/redis-acl.md.

/** What every name begins with that belongs to a gateway's tenants; the id of a gateway has no dots. */
export function storeUserPrefix(gateway: string): string {
  return `sf-tenant-${gateway}.`
}

/** The user's name; two gateways of one server never share one. */
export function storeUserName(gateway: string, tenant: string): string {
  return storeUserPrefix(gateway) + tenant
}

/** Arguments of ACL SETUSER: the whole user, whatever it was before. Each holder has a password of its own. */
export function storeUserRules(tenant: string, passwords: readonly string[]): string[] {
  const writable = ['ack:*', 'led:*', 'audit*', 'cache:*'].map(part => `~sf:{${tenant}}:${part}`)
  const commands =
    '+@read +@write +@scripting +@connection +@pubsub +time +wait -@dangerous +info ' +
    '-keys -scan -randomkey -dbsize -pubsub -function -fcall -fcall_ro -script +script|load'
  const secrets = passwords.map(password => `>${password}`)
  const channels = `&sf:{${tenant}}:*`
  return ['reset', 'on', ...secrets, `%R~sf:{${tenant}}:cfg:*`, ...writable, channels, ...commands.split(' ')]
}

/**
 * The store's address for this user. A host of one word is one of the operator's own namespace: elsewhere it needs to be
 * said in full. Throws for what is no URL.
 */
export function storeUserURL(
  url: string,
  { name, password, namespace }: { readonly name: string; readonly password: string; readonly namespace: string },
): string {
  const address = new URL(url)
  address.username = name
  address.password = password
  if (/^(?!localhost$)[a-z0-9-]+$/i.test(address.hostname)) address.hostname += `.${namespace}.svc`
  return address.href
}
