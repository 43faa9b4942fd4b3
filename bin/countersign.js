#!/usr/bin/env node
// The command `countersign`: runs the compiled command line.
import('../dist/cli/main.js').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  console.error('countersign is not built yet: run "npm run build" first.')
  process.exitCode = 1
})
