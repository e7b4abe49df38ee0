// Anthropic's usage in our terms. Its input_tokens leave the cache out; ours count it in.
import type { NeutralUsage } from '../../neutral.ts'
import { member, tokensIn } from '../members.ts'

/** Figures of a usage object; a stream sends them in two parts, each overriding what came before. */
export interface AnthropicUsage {
  readonly input: number | undefined
  readonly cacheWrite: number | undefined
  readonly cacheRead: number | undefined
  readonly output: number | undefined
  readonly thinking: number | undefined
}

/** What a usage object says. */
export function readUsage(usage: unknown): AnthropicUsage {
  return {
    input: tokensIn(member(usage, 'input_tokens')),
    cacheWrite: tokensIn(member(usage, 'cache_creation_input_tokens')),
    cacheRead: tokensIn(member(usage, 'cache_read_input_tokens')),
    output: tokensIn(member(usage, 'output_tokens')),
    thinking: tokensIn(member(member(usage, 'output_tokens_details'), 'thinking_tokens')),
  }
}

/** The later word counts, member by member. */
export function laterUsage(first: AnthropicUsage | undefined, then: AnthropicUsage): AnthropicUsage {
  if (first === undefined) return then
  return {
    input: then.input ?? first.input,
    cacheWrite: then.cacheWrite ?? first.cacheWrite,
    cacheRead: then.cacheRead ?? first.cacheRead,
    output: then.output ?? first.output,
    thinking: then.thinking ?? first.thinking,
  }
}

/** True when it says what the prompt came to. */
export function saysPrompt(usage: AnthropicUsage | undefined): usage is AnthropicUsage {
  return usage?.input !== undefined
}

/** In our terms: the prompt includes both kinds of cached tokens (K07). */
export function neutralUsage(usage: AnthropicUsage): NeutralUsage {
  const { input = 0, cacheWrite = 0, cacheRead = 0, output = 0, thinking = 0 } = usage
  return {
    prompt: input + cacheWrite + cacheRead,
    cachedPrompt: cacheRead,
    cacheWrite,
    completion: output,
    reasoning: Math.min(thinking, output),
  }
}

/** Back into Anthropic's words. */
export function anthropicUsage(usage: NeutralUsage): object {
  return {
    input_tokens: Math.max(0, usage.prompt - usage.cachedPrompt - usage.cacheWrite),
    cache_creation_input_tokens: usage.cacheWrite,
    cache_read_input_tokens: usage.cachedPrompt,
    output_tokens: usage.completion,
    ...(usage.reasoning > 0 ? { output_tokens_details: { thinking_tokens: usage.reasoning } } : {}),
  }
}
