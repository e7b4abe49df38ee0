// Crashes of the operator on a small tenant; `make prove-crashes` tries more.
import { crashesOfFile } from './chaos-crashes.ts'

crashesOfFile({ staying: ['app'], thorough: false })
