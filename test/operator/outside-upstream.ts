// A provider that an AIProvider in a cluster may name.
import { machineAddress } from '../../hack/machine-address.ts'
import { completionsDoor, startUpstream, type Upstream } from '../e2e/upstream.ts'

/** At an address of this machine that is not its loopback one. Throws where there is none. */
export function startOutsideUpstream(): Promise<Upstream> {
  const outside = machineAddress()
  if (outside === undefined) throw new Error('this machine has no IPv4 address but the loopback one: give it a network')
  return startUpstream(undefined, completionsDoor, outside)
}
