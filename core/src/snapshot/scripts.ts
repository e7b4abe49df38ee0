// The Lua scripts of the configuration store, for adapters that talk to Redis.
import { readFileSync } from 'node:fs'

/** Lua of `ConfigStore.commit`; its header names KEYS and ARGV. */
export const COMMIT_SCRIPT: string = readFileSync(new URL('./commit.lua', import.meta.url), 'utf8')

/** Lua of `ConfigStore.claimEpoch`; its header names KEYS and ARGV. */
export const CLAIM_SCRIPT: string = readFileSync(new URL('./claim.lua', import.meta.url), 'utf8')

/** How many commits the log keeps, about. */
export const LOG_LENGTH = 1_000
