// The Python clients openai and anthropic as ModelClients: a Python process makes their calls (models.py).
import { PythonProcess } from '../python/client.ts'
import { type Ask, type ClientKind, type ModelClient, type Said } from './client.ts'

/** The two kinds over one Python process; `packages` is the folder of model-clients.txt. */
export function pythonClients(packages: string): { readonly kinds: readonly ClientKind[]; close(): void } {
  let process: PythonProcess | undefined
  // Not before a test asks: the packages take seconds to load.
  const running = (): PythonProcess => (process ??= new PythonProcess('models.py', packages))
  const connect = (client: string) => (base: string, token: string) => clientOf(running, { client, base, token })
  const common = {
    unauthorized: 'AuthenticationError',
    forbidden: 'PermissionDeniedError',
    'not-found': 'NotFoundError',
    limited: 'RateLimitError',
    'bad-request': 'BadRequestError',
    'bad-gateway': 'InternalServerError',
  }
  return {
    kinds: [
      {
        name: 'openai for Python',
        dialect: 'openai-chat',
        errors: { ...common, 'too-large': 'APIStatusError', overloaded: 'InternalServerError' },
        connect: connect('openai'),
      },
      {
        name: 'anthropic for Python',
        dialect: 'anthropic-messages',
        errors: { ...common, 'too-large': 'ContentTooLargeError', overloaded: 'OverloadedError' },
        connect: connect('anthropic'),
      },
    ],
    close: () => process?.close(),
  }
}

function clientOf(running: () => PythonProcess, who: object): ModelClient {
  const value = async (what: string, ask: Ask): Promise<unknown> => running().value({ do: what, ...who, ask })
  return {
    ask: async ask => (await value('ask', ask)) as Said,
    loop: async ask => (await value('loop', ask)) as Said,
    leave: async ask => String(await value('leave', ask)),
    async raised(ask) {
      const { type, text, status } = await running().raised({ do: 'ask', ...who, ask })
      return { type, message: text, status: typeof status === 'number' ? status : undefined }
    },
  }
}
