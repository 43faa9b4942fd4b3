// The XML tree: every element keeps its own text, and anything but a plain document is refused.
import { expect, it } from 'vitest'
import { canonicalXml, parseXmlTree, textAt } from '../../src/storage/rest/xml-tree.ts'

it('keeps each element’s source, and decodes its text', () => {
  const inner = '<x:b a="1 > 0" c=\'"\'>\n<d/>&lt;&#x41;&#66;&unknown;<![CDATA[<&]]></x:b>'
  const root = parseXmlTree(
    `<?xml version="1.0"?><!-- <no/> --><a xmlns="urn:x">${inner}<e >  f &amp; g </e><h/></a>`,
  )!

  expect(root).toMatchObject({ name: 'a', openTag: '<a xmlns="urn:x">' })
  expect(root.children.map(({ name, xml }) => [name, xml])).toEqual([
    ['b', inner],
    ['e', '<e >  f &amp; g </e>'],
    ['h', '<h/>'],
  ])
  expect(root.children[0]?.text.trim()).toBe('<AB&unknown;<&')
  expect(textAt(root, 'e')).toBe('f & g')
  expect(textAt(root, 'h')).toBe('')
  expect(textAt(root, 'none')).toBeUndefined()
  expect(parseXmlTree('<a/>')).toMatchObject({ name: 'a', openTag: '<a>', children: [] })
})

it.each([
  '',
  'text',
  '<a>',
  '<a></b>',
  '<a/><b/>',
  '<!DOCTYPE a><a/>',
  '<a><!ENTITY x "y"></a>',
  '{"a": 1}',
])('refuses %j', (document) => {
  expect(parseXmlTree(document)).toBeUndefined()
})

it('finds the same content in another order and spacing', () => {
  const canonical = (xml: string) => canonicalXml(parseXmlTree(xml)!)
  expect(canonical('<r><a>1</a>\n <b><c> 2</c></b></r>')).toBe(
    canonical('<r><b><c>2</c></b><a>1</a></r>'),
  )
  expect(canonical('<r><a>1</a></r>')).not.toBe(canonical('<r><a>2</a></r>'))
  expect(canonical('<r><a>1</a><a>1</a></r>')).not.toBe(canonical('<r><a>1</a></r>'))
})
