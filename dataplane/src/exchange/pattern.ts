// Name patterns of the resources: an exact name, or a beginning with one trailing `*`.

/** True when `name` is the pattern, or begins with what stands before its `*`. */
export function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}
