// nginx as a bare reverse proxy: what passing bytes costs in C. It knows nothing of models or keys; connections to the
// upstream are kept, answers are not buffered, one worker.
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cachedFolder } from '../../hack/cached-folder.ts'
import { cacheFolder, run, tellOnStderr } from '../../hack/programs.ts'
import { freePorts, startProgram } from '../programs.ts'
import type { Target } from '../target.ts'

const INSTALL_SECONDS = 180
const HOW = 'The peer nginx needs nginx on PATH (`apt-get install nginx` on Debian, `brew install nginx` on macOS)'

/** The whole configuration; all paths are relative to the folder that nginx is given. */
export function configuration(port: number, upstream: string, isRoot: boolean): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(of => `  ${of}_temp_path tmp;`)
  return `${isRoot ? 'user root;\n' : ''}worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
${folders.join('\n')}
  upstream mock { server ${upstream}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    location = /health { return 200; }
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`
}

type Found = { program: string; version: string }

async function find(programs: readonly string[]): Promise<Found | undefined> {
  for (const program of programs) {
    const said = await run('sh', ['-c', '"$0" -v 2>&1', program], { env: process.env, seconds: 10 })
    const version = /nginx version: (\S+)/.exec(said.text)?.[1]
    if (said.ok && version !== undefined) return { program, version }
  }
  return undefined
}

/** Debian's package is only unpacked: nothing is installed, no service started, no root needed. */
async function unpacked(): Promise<string> {
  const limits = { env: process.env, seconds: INSTALL_SECONDS }
  const known = await run('sh', ['-c', '. /etc/os-release && echo "$ID-$VERSION_ID"'], limits)
  const name = `nginx-${known.ok ? known.text.replace(/[^\w.-]/g, '') : 'debian'}-${process.arch}`
  return await cachedFolder(name, process.env, async work => {
    tellOnStderr(`Unpacking Debian's package of nginx into ${cacheFolder(process.env)}, once`)
    const fetching = 'apt-get download nginx || { apt-get update && apt-get download nginx; }'
    const said = await run('sh', ['-c', `{ ${fetching}; } && dpkg -x nginx_*.deb .`], { ...limits, cwd: work })
    if (!said.ok) throw new Error(`${HOW}; unpacking Debian's package did not work: ${said.text}`)
  })
}

async function findNginx(): Promise<Found> {
  const there = await find(['nginx', '/usr/sbin/nginx'])
  if (there !== undefined) return there
  const apt = await run('apt-get', ['--version'], { env: process.env, seconds: 10 })
  if (!apt.ok) throw new Error(HOW)
  const program = join(await unpacked(), 'usr', 'sbin', 'nginx')
  const brought = await find([program])
  if (brought === undefined) throw new Error(`${HOW}; ${program} does not start, most likely for want of a library`)
  return brought
}

/** See above. */
export const target: Target = {
  name: 'nginx',
  prepare: findNginx,
  start: async ({ upstreamUrl, dir, logs }) => {
    const [port = 0] = await freePorts(1)
    const { program, version } = await findNginx()
    mkdirSync(join(dir, 'tmp'))
    const file = join(dir, 'nginx.conf')
    writeFileSync(file, configuration(port, new URL(upstreamUrl).host, process.getuid?.() === 0))
    const args = ['-p', dir, '-c', basename(file), '-e', 'stderr', '-g', 'daemon off;']
    const url = `http://127.0.0.1:${port}`
    const { pid, stop } = await startProgram({ name: 'nginx', command: program, args, logs }, `${url}/health`)
    const about = `${version}, a bare reverse proxy, one worker`
    return { url: `${url}/v1/chat/completions`, model: 'gpt-4o', about, pids: [pid], redisPids: [], stop }
  },
}
