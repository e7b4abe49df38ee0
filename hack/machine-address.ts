// An address of this machine that is not its loopback one: a gateway in a cluster does not call loopback, which would be
// the pod itself.
import { networkInterfaces } from 'node:os'

/** IPv4, and none that the machine gave itself; undefined on a machine without a network. */
export function machineAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return all.find(({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'))
    ?.address
}
