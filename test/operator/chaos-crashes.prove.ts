// Crashes of the operator at full size: a larger tenant than that of `make test`, and before each write as well as after it.
import { crashesOfFile } from './chaos-crashes.ts'

crashesOfFile({ staying: ['app', 'web'], thorough: true })
