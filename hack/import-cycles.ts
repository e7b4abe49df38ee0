// Finds import cycles in a graph of files.

/** From each file to the files it imports. */
export type Edges = ReadonlyMap<string, readonly string[]>

/** One cycle for each group of files that import one another in a ring: the shortest through its first file by name. */
export function findCycles(edges: Edges): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  for (const start of [...edges.keys()].sort()) {
    if (done.has(start)) continue
    const cycle = shortestCycle(edges, start)
    if (!cycle) continue
    found.push(cycle)
    for (const member of ring(edges, start)) done.add(member)
  }
  return found
}

/** The shortest way from `start` back to itself, breadth first. */
function shortestCycle(edges: Edges, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (const file of queue) {
    for (const next of edges.get(file) ?? []) {
      if (next === start) return pathTo(file, cameFrom)
      if (cameFrom.has(next)) continue
      cameFrom.set(next, file)
      queue.push(next)
    }
  }
  return undefined
}

function pathTo(end: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const path = [end]
  for (let file = cameFrom.get(end); file !== undefined; file = cameFrom.get(file)) path.unshift(file)
  return path
}

/** Every file that `start` reaches and that reaches `start`. */
function ring(edges: Edges, start: string): string[] {
  const backwards = new Map<string, string[]>()
  for (const [from, targets] of edges) for (const to of targets) backwards.set(to, [...(backwards.get(to) ?? []), from])
  const forward = reachable(edges, start)
  return [...reachable(backwards, start)].filter(file => forward.has(file))
}

function reachable(edges: Edges, start: string): Set<string> {
  const seen = new Set([start])
  for (const file of seen) for (const next of edges.get(file) ?? []) seen.add(next)
  return seen
}
