// Choosing namespaces: by label, and whose objects may refer to one's own.
import { z } from 'zod'
import { rule } from './rule.ts'

const LabelKey = z
  .string()
  .max(317)
  .regex(/^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/, {
    error: 'must be the key of a label',
  })

const LabelValue = z
  .string()
  .max(63)
  .regex(/^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$/, { error: 'must be the value of a label' })

const Expression = z
  .strictObject({
    key: LabelKey.describe('The key of the label that is looked at.'),
    operator: z
      .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
      .describe('How the label is compared. In and NotIn need values, Exists and DoesNotExist take none.'),
    values: z.array(LabelValue).max(32).optional().describe('The values that In and NotIn compare with.'),
  })
  .check(
    rule(
      {
        cel: "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
        message: 'must have values for In and NotIn, and none for Exists and DoesNotExist',
        path: ['values'],
      },
      ({ operator, values = [] }) => (operator === 'In' || operator === 'NotIn') === values.length > 0,
    ),
  )

/** A label selector as Kubernetes has it; all its parts must hold. An empty one is refused. */
export const LabelSelector = z
  .strictObject({
    matchLabels: z
      .record(LabelKey, LabelValue)
      .check(
        rule({ cel: 'self.size() <= 16', message: 'has more than 16 entries' }, some => Object.keys(some).length <= 16),
      )
      .optional()
      .describe('Labels that must have exactly these values.'),
    matchExpressions: z.array(Expression).max(16).optional().describe('Further requirements; all must hold.'),
  })
  .check(
    rule(
      {
        cel: '(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)',
        message: 'is empty and would choose every namespace; name a label',
        reason: 'FieldValueRequired',
      },
      ({ matchLabels = {}, matchExpressions = [] }) =>
        Object.keys(matchLabels).length > 0 || matchExpressions.length > 0,
    ),
  )
export type LabelSelector = z.infer<typeof LabelSelector>

/** Namespaces whose objects may refer to this one. */
export const AllowedNamespaces = z
  .strictObject({
    from: z
      .enum(['Same', 'All', 'Selector'])
      .describe('Same: only this namespace. All: every one. Selector: those whose labels the selector chooses.'),
    selector: LabelSelector.optional().describe('Chooses namespaces by their labels; goes with from: Selector.'),
  })
  .check(
    rule(
      {
        cel: "(self.from == 'Selector') == has(self.selector)",
        message: 'goes with from: Selector, and only with it',
        path: ['selector'],
      },
      ({ from, selector }) => (from === 'Selector') === (selector !== undefined),
    ),
  )
export type AllowedNamespaces = z.infer<typeof AllowedNamespaces>
