// The store in memory keeps the contract of every store.
import { configStoreContract } from './config-store.contract.ts'
import { MemoryConfigStore } from './memory-config-store.ts'

configStoreContract('in memory', async () => new MemoryConfigStore())
