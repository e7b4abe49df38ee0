// The Anthropic Messages format, whole.
import type { Format } from '../format.ts'
import { MessageDecoder } from './decode-events.ts'
import { decodeRequest } from './decode-request.ts'
import { anthropicMessages } from './dialect.ts'
import { encodeRequest } from './encode-request.ts'
import { manners, readError } from './manners.ts'
import { StreamMeter, wholeMeter } from './meter.ts'
import { passage } from './passage.ts'
import { decodeReply, encodeReply, encoderFor } from './reply.ts'

/** Anthropic Messages (`POST /v1/messages`). */
export const anthropicMessagesFormat: Format = {
  name: 'anthropic-messages',
  dialect: anthropicMessages,
  passesErrors: true,
  decodeRequest,
  encodeRequest,
  decodeEvents: () => new MessageDecoder(),
  encodeEvents: encoderFor,
  decodeReply,
  encodeReply,
  passage,
  manners: () => manners,
  wholeMeter,
  streamMeter: options => new StreamMeter(options),
  readError,
}
