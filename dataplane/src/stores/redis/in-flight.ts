// Commands without an answer, oldest first. Answers come in order, so what is answered is let go at once: commands kept
// for the length of their time limit would all grow old in memory, which costs more than sending them.

/** A command, as far as its age matters. */
interface Answerable {
  readonly isSettled: boolean
  reject(error: Error): unknown
}

/** See the file's head. Ages are counted in ticks. */
export class InFlight {
  #commands: (Answerable | undefined)[] = []
  #born: number[] = []
  #first = 0
  #now = 0

  add(command: Answerable): void {
    this.#commands.push(command)
    this.#born.push(this.#now)
  }

  /** Lets go of what was answered. */
  answered(): void {
    while (this.#first < this.#commands.length && this.#commands[this.#first]?.isSettled !== false) {
      this.#commands[this.#first++] = undefined
    }
    if (this.#first < this.#commands.length && this.#first < MOST_GAPS) return
    this.#commands.splice(0, this.#first)
    this.#born.splice(0, this.#first)
    this.#first = 0
  }

  /** One tick more; commands that waited `most` whole ticks are rejected with `problem`. */
  tick(most: number, problem: string): void {
    this.#now++
    const overdue: Answerable[] = []
    for (let at = this.#first; at < this.#commands.length; at++) {
      if (this.#now - (this.#born[at] ?? 0) <= most) break
      const command = this.#commands[at]
      if (command?.isSettled === false) overdue.push(command)
    }
    for (const command of overdue) command.reject(new Error(problem))
    this.answered()
  }
}

/** Places of answered commands before the others move up. */
const MOST_GAPS = 256
