// The image as a container engine would run it, with what Linux has itself: its own root, read-only, a user without
// rights, process 1; only the network is the machine's.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Where a process of the image may write: a file system in memory. */
export const WRITABLE = '/var/lib/smartflow'

/** The user of the image. */
const UID = 65_532

/**
 * Mounts are the new namespace's own and go with it. The last step enters a namespace in which no right is left: it runs
 * the program in place of the shell, so that it is process 1.
 */
const SCRIPT = `
set -eu
image=$1; config=$2; shift 2
mount --bind "$image" "$image"
mount -t tmpfs -o mode=1777 tmpfs "$image${WRITABLE}"
mount -t proc proc "$image/proc"
cp -R "$config" "$image${WRITABLE}/config"
mount -o remount,ro,bind "$image"
exec unshare --user --map-user=${UID} --map-group=${UID} --root="$image" --wd=/app /usr/local/bin/node "$@"
`

const NAMESPACES = ['--user', '--map-root-user', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child']

/** Why nothing can be run here; undefined when it can. */
export function whyNoSandbox(): string | undefined {
  if (process.platform !== 'linux') return 'images run on Linux only'
  try {
    execFileSync('unshare', [...NAMESPACES, 'unshare', '--user', `--map-user=${UID}`, 'true'], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    const { stderr } = Object(error) as { stderr?: Buffer }
    return `this machine allows no user namespaces: ${stderr?.toString().trim() || String(error)}`
  }
}

/** What to run. */
export interface Boxed {
  /** The image's root folder. */
  readonly image: string
  /** A folder that is copied to `/var/lib/smartflow/config`. */
  readonly config: string
  /** Of node, as in a container's `args`. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Starts node in the image; `kill` of what is returned ends everything in it at once. */
export function runBoxed({ image, config, args, env = {} }: Boxed): ChildProcess {
  const cache = { NODE_COMPILE_CACHE: '/app/.cache', NODE_COMPILE_CACHE_PORTABLE: '1' }
  return spawn('unshare', [...NAMESPACES, 'sh', '-c', SCRIPT, 'sh', image, config, ...args], {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...cache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** The process on this machine that is process 1 in there: signals for it go here, as a kubelet sends them. */
export function firstProcessOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim())
}
