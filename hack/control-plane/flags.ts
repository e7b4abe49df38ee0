// The command lines of the control plane's programs.
import { join } from 'node:path'

/** Nothing of it is meant to survive a crash of the machine, so nothing waits for the disk. */
export function etcdFlags(dataDir: string, url: string, peerPort: number): string[] {
  const peer = `http://127.0.0.1:${peerPort}`
  return [
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ]
}

/**
 * RBAC is on. The admission of ServiceAccounts is off: a pod need not wait until its namespace has its default one. Tokens
 * of ServiceAccounts are issued and accepted all the same. Off too is the taint on new nodes, since the controller that
 * takes it away is not here.
 */
export function apiServerFlags(dir: string, port: number, etcd: string): string[] {
  return [
    `--etcd-servers=${etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    // Of the documentation's network: the machine's own would have to be found, and the loopback one is not allowed.
    '--advertise-address=192.0.2.1',
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.0.0.0/24',
    `--cert-dir=${join(dir, 'certificates')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${join(dir, 'service-accounts.pub')}`,
    `--service-account-signing-key-file=${join(dir, 'service-accounts.key')}`,
    `--token-auth-file=${join(dir, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
    '--allow-privileged',
  ]
}

/** What a namespace, its workloads and its services need; the rest would only take memory. */
const CONTROLLERS = [
  'clusterrole-aggregation-controller',
  'deployment-controller',
  'disruption-controller',
  'endpointslice-controller',
  'garbage-collector-controller',
  'horizontal-pod-autoscaler-controller',
  'job-controller',
  'namespace-controller',
  'replicaset-controller',
  'serviceaccount-controller',
]

/** It has no port of its own. */
export function controllerManagerFlags(kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--controllers=${CONTROLLERS.join(',')}`,
    '--leader-elect=false',
    '--secure-port=0',
  ]
}
