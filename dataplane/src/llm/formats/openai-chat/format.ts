// The OpenAI chat format, whole.
import type { Format } from '../format.ts'
import { ChunkDecoder } from './decode-events.ts'
import { decodeRequest } from './decode-request.ts'
import { openaiChat } from './dialect.ts'
import { ChunkEncoder } from './encode-events.ts'
import { encodeRequest } from './encode-request.ts'
import { mannersOf, readError } from './manners.ts'
import { StreamMeter, wholeMeter } from './meter.ts'
import { addsUsage, passage } from './passage.ts'
import { decodeReply, encodeReply, nowSeconds } from './reply.ts'

/** OpenAI chat completions (`POST /v1/chat/completions`). */
export const openaiChatFormat: Format = {
  name: 'openai-chat',
  dialect: openaiChat,
  passesErrors: false,
  decodeRequest,
  encodeRequest,
  decodeEvents: () => new ChunkDecoder(),
  encodeEvents: call => new ChunkEncoder(call.wantsUsage, nowSeconds()),
  decodeReply,
  encodeReply,
  passage,
  manners: (call, terms) => mannersOf(addsUsage(call, terms)),
  wholeMeter,
  streamMeter: ({ promptTokens, count }) => new StreamMeter(promptTokens, count),
  readError,
}
