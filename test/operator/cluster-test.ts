// `test` for what needs Kubernetes: the cluster of the test run, and a namespace of the test's own.
import { inject, test as base } from 'vitest'
import { type Cluster, openCluster } from '../../hack/control-plane/cluster.ts'
import type {} from '../control-plane.setup.ts'

type Fixtures = {
  /** The one cluster of the run: never kill its API server, start a control plane of your own for that. */
  cluster: Cluster
  /** Empty, and deleted after the test. */
  namespace: string
}

/** Skips itself, with the reason, where there is no control plane to be had. */
export const test = base.extend<Fixtures>({
  cluster: async ({ skip }, use) => {
    const address = inject('cluster')
    if (!address) return skip('there is no Kubernetes control plane to be had; the start of the run says why')
    await use(openCluster(address))
  },
  namespace: async ({ cluster }, use) => {
    const name = await cluster.newNamespace('test')
    await use(name)
    await cluster.request('DELETE', `/api/v1/namespaces/${name}`)
  },
})
