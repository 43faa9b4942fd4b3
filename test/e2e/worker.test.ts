// The Worker in a real workerd: the shared suite, and what is the Worker's own.
import { describe } from 'vitest'
import { startWorkerTarget } from '../support/worker-target.ts'
import { keepsItsPromises } from './suite.ts'

describe('the Worker', () => keepsItsPromises(startWorkerTarget))
