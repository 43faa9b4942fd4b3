// What is done on schedule, on every runtime: sessions are swept, then stores are asked about what they work on.
import { type DeliverServices, pollRunning } from './delivery/deliver.ts'
import { type SweepServices, sweep } from './uploads/sweep.ts'

export async function runScheduled(
  services: SweepServices & DeliverServices,
): Promise<{ looked: number; polled: number }> {
  const { looked } = await sweep(services)
  return { looked, polled: await pollRunning(services) }
}
