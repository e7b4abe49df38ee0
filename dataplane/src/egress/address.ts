// Which addresses the gateway may connect to. Link-local and cloud metadata never; private ones only where declared.
import { BlockList, isIP } from 'node:net'

/** Never, whatever is declared: link-local, unspecified, multicast, reserved, and where clouds keep their metadata. */
const NEVER: readonly [string, number, 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
  ['192.0.0.192', 32, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
  ['fd00:ec2::254', 128, 'ipv6'],
  // 169.254.0.0/16 through NAT64, through 6to4, and as an IPv4-compatible address.
  ['64:ff9b::a9fe:0', 112, 'ipv6'],
  ['2002:a9fe::', 32, 'ipv6'],
  ['::a9fe:0', 112, 'ipv6'],
]

/** Private or not globally routable: loopback, RFC 1918, CGNAT, ULA, benchmarking, documentation, and tunnels into them. */
const PRIVATE: readonly [string, number, 'ipv4' | 'ipv6'][] = [
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['::', 96, 'ipv6'],
  ['::ffff:0:0:0', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
]

const never = blockList(NEVER)
const notPublic = blockList(PRIVATE)

/** Says why a connection to this IP address is not allowed, or undefined when it is. IPv4-mapped IPv6 counts as IPv4. */
export function refuseAddress(address: string, allowPrivate: boolean): string | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
  const version = isIP(plain)
  if (version === 0) return `"${address}" is not an IP address`
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (never.check(plain, family))
    return `${address} is a link-local, metadata or reserved address; the gateway never connects there`
  if (!allowPrivate && notPublic.check(plain, family)) {
    return `${address} is a private address; set allowPrivateEndpoint: true on the AIProvider to allow it`
  }
  return undefined
}

function blockList(ranges: readonly [string, number, 'ipv4' | 'ipv6'][]): BlockList {
  const list = new BlockList()
  for (const [network, prefix, family] of ranges) list.addSubnet(network, prefix, family)
  return list
}
