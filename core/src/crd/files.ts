// The generated files: a definition for kubectl and a chart template, one of each a kind.
import { DEFINITIONS } from '../resources/definitions.ts'
import { type Kind, KINDS } from '../resources/resource.ts'
import { definitionFile, definitionTemplate } from './crd.ts'

/** Texts by path from the repository's root. */
export function definitionFiles(): ReadonlyMap<string, string> {
  return new Map(
    kinds().flatMap(kind => {
      const file = `${DEFINITIONS[kind].plural}.yaml`
      return [
        [`crds/${file}`, definitionFile(kind)],
        [`charts/smartflow-crds/templates/${file}`, definitionTemplate(kind)],
      ] as const
    }),
  )
}

function kinds(): Kind[] {
  const names: readonly string[] = Object.keys(KINDS)
  return names.filter((name): name is Kind => Object.hasOwn(KINDS, name))
}
