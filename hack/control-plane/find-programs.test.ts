// Where the programs of a control plane are looked for, and what is said when there are none. Go is a small script here.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Environment } from '../programs.ts'
import { type ControlPlanePrograms, findPrograms as find } from './find-programs.ts'

const findPrograms = (env: Environment, told: string[] = []): Promise<ControlPlanePrograms> =>
  find(env, line => told.push(line))

/** Makes what it is asked to. */
const GO = 'while [ "$1" != -o ]; do shift; done; echo "$GOTOOLCHAIN $GOFLAGS" > "$2"'
const KUBECTL = (minor: number): string => `echo "Client Version: v1.${minor}.4-of-somebody"`

type Machine = { env: Environment; root: string }

/** An environment with these programs on its PATH and no others, and these in a folder of KUBEBUILDER_ASSETS. */
function machine(programs: Record<string, string>, assets?: Record<string, string>): Machine {
  const root = mkdtempSync(join(tmpdir(), 'find-programs-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const folder = (name: string, scripts: Record<string, string>): string => {
    mkdirSync(join(root, name))
    for (const [program, script] of Object.entries(scripts)) {
      writeFileSync(join(root, name, program), `#!/bin/sh\n${script}\n`)
      chmodSync(join(root, name, program), 0o755)
    }
    return join(root, name)
  }
  const env: Environment = { PATH: folder('bin', programs), SMARTFLOW_CACHE_DIR: join(root, 'cache') }
  if (assets) env['KUBEBUILDER_ASSETS'] = folder('assets', assets)
  return { env, root }
}

test('all of it is built with Go, once, and told', async () => {
  const { env, root } = machine({ go: GO })
  const told: string[] = []
  const found = await findPrograms(env, told)
  expect(found.from).toBe('Go')
  expect([found.etcd, found.apiServer, found.controllerManager, found.kubectl].map(path => basename(path))).toEqual([
    'etcd',
    'kube-apiserver',
    'kube-controller-manager',
    'kubectl',
  ])
  expect(basename(dirname(found.apiServer))).toMatch(/^kube-apiserver-v1\.\d+\.\d+-[0-9a-f]{8}$/)
  expect(told.filter(line => line.startsWith('Building'))).toHaveLength(4)
  expect(readdirSync(join(root, 'cache'))).toHaveLength(4)
  const again: string[] = []
  expect(await findPrograms(env, again)).toEqual(found)
  expect(again).toEqual([])
})

test('the folder of KUBEBUILDER_ASSETS comes first; the controllers that it lacks are built', async () => {
  const assets = { etcd: '', 'kube-apiserver': '', kubectl: KUBECTL(35) }
  const { env, root } = machine({ go: GO }, assets)
  const found = await findPrograms(env)
  expect(found).toMatchObject({
    from: 'KUBEBUILDER_ASSETS',
    etcd: join(root, 'assets', 'etcd'),
    apiServer: join(root, 'assets', 'kube-apiserver'),
    kubectl: join(root, 'assets', 'kubectl'),
  })
  expect(readdirSync(join(root, 'cache'))).toEqual([expect.stringMatching(/^kube-controller-manager-/)])
})

test('an installed kubectl is used when it is at most one minor version off', async () => {
  expect((await findPrograms(machine({ go: GO, kubectl: KUBECTL(37) }).env)).kubectl).toBe('kubectl')
  expect((await findPrograms(machine({ go: GO, kubectl: KUBECTL(32) }).env)).kubectl).toMatch(/kubectl-v1\.36/)
})

test('without any, the error names both ways and what to do', async () => {
  const { env } = machine({}, { etcd: '' })
  const error: unknown = await findPrograms(env).catch((thrown: unknown) => thrown)
  const text = String(error)
  expect(text).toContain('1. KUBEBUILDER_ASSETS: ')
  expect(text).toContain('does not hold kube-apiserver and etcd')
  expect(text).toContain('2. Go: etcd v3.6.10 could not be built with Go: there is no program go')
  expect(text).toContain('install Go')
})

test('a build that fails says why, and leaves nothing behind', async () => {
  const { env, root } = machine({ go: 'echo "module is gone" >&2; exit 1' })
  await expect(findPrograms(env)).rejects.toThrow('module is gone')
  expect(readdirSync(join(root, 'cache'))).toEqual([])
})
