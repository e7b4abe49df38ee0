// The Lua scripts of the configuration store.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script: its text and the name Redis knows it by. */
export interface StoreScript {
  readonly lua: string
  readonly sha: string
}

function scriptOf(file: string): StoreScript {
  const lua = readFileSync(new URL(file, import.meta.url), 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** Puts a head in force. The headers of the files name KEYS and ARGV. */
export const COMMIT_SCRIPT: StoreScript = scriptOf('./commit.lua')

/** Takes an epoch. */
export const CLAIM_SCRIPT: StoreScript = scriptOf('./claim.lua')

/** Announces the use of pieces. */
export const TOUCH_SCRIPT: StoreScript = scriptOf('./touch.lua')

/** Removes pieces. */
export const SWEEP_SCRIPT: StoreScript = scriptOf('./sweep.lua')

/** How many commits the log keeps, about. */
export const LOG_LENGTH = 1_000
