// The store's answers are read whole or not at all, because a cut answer proves nothing.
import { expect, it } from 'vitest'
import { parseXml } from '../../../src/storage/rest/xml.ts'

it.each([
  '<R><A>1</A></R>',
  '<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com"><A>1</A></R>\n',
  '<R><A>1</A></R >',
])('reads %j', (text) => {
  expect(parseXml(text)).toEqual({ root: 'R', node: { A: '1' } })
})

it.each(['<R/>', '<?xml version="1.0"?><R />', '<R></R>'])('reads the empty %j', (text) => {
  expect(parseXml(text)).toEqual({ root: 'R', node: {} })
})

it.each([
  '',
  'x',
  '<R',
  '<R>',
  '<R><A>1</A>',
  '<R><A>1</A></R',
  '<R><A/>',
  '<R><A>',
  '<!DOCTYPE r [<!ENTITY a "b">]><R></R>',
])('takes %j for no document', (text) => {
  const parsed = parseXml(text)

  expect(parsed).toBeUndefined()
})
