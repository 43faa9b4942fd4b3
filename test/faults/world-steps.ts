// What the service does on its own in the flows.
import type { Step } from './step.ts'

export const keepHouse: Step = {
  step: 'housekeeping',
  act: ({ world }, instance) => world.keepHouse(instance),
}
