import { auditLogContract } from '../../ports/audit-log.contract.ts'
import { MemoryAuditLog } from './audit-log.ts'

auditLogContract('memory audit log', async () => ({ log: new MemoryAuditLog(), end: async () => {} }))
