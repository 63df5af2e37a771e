/**
 * Makes examples/documents: `node test/support/make-documents.mjs`. The same bytes each time (the PNG only with the same zlib), from nothing but Node.js,
 * so that a document can be changed by changing its text here.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { crc32, deflateSync } from 'node:zlib'

const folder = new URL('../../examples/documents/', import.meta.url)

const CONTRACT = [[
  ['title', 'Service agreement'],
  ['text', 'between Harbour Bridge Engineering ("the client") and Northwind Surveying ("the provider").'],
  ['heading', '1. Services'],
  ['text', 'The provider surveys the harbour bridge twice a year, in April and in October, and reports in writing within three weeks of each survey.'],
  ['heading', '2. Fees'],
  ['text', 'The client pays 4,200 per survey, within thirty days of receiving the report. Travel is included.'],
  ['heading', '3. Confidentiality'],
  ['text', 'Neither party shows the reports to others without the written consent of the other party. This holds for five years after the end of the agreement.'],
  ['heading', '4. Term'],
  ['text', 'The agreement begins on 1 April 2026 and runs for two years. Either party may end it with three months of notice.'],
  ['signatures', 'For the client', 'For the provider']
]]

const HANDBOOK = [[
  ['title', 'Field handbook'],
  ['text', 'For everybody who works on the bridge. Keep a copy in the van.'],
  ['heading', 'Before you go'],
  ['text', 'Read the weather report. Above wind force 6 nobody works on the upper deck.'],
  ['text', 'Tell the control room who goes, where to, and when you will be back.'],
  ['text', 'Check harness, helmet and radio. A harness that once held a fall is thrown away.']
], [
  ['heading', 'On the bridge'],
  ['text', 'Work in pairs. Each pair stays within sight of another one.'],
  ['text', 'Photograph every crack with a ruler beside it, and note span, beam and side, for example "span 3, beam 2, north".'],
  ['text', 'Traffic is never stopped without the control room, not even for a minute.'],
  ['heading', 'If something happens'],
  ['text', 'Make the place safe, then call the control room on channel 4. First aid kits hang at both towers.']
], [
  ['heading', 'Afterwards'],
  ['text', 'Report back to the control room in person or by radio.'],
  ['text', 'Hand in photographs and notes on the same day. What is urgent is said, not written.'],
  ['heading', 'Who to call'],
  ['text', 'Control room: channel 4, day and night.'],
  ['text', 'Survey office: weekdays from eight to five.']
]]

const LETTER = [
  ['title', 'Northwind Surveying'],
  ['text', '12 May 2026'],
  ['text', 'Dear Ms. Okafor,'],
  ['text', 'Thank you for the open day on the bridge last week. Our colleagues enjoyed it as much as the school classes did.'],
  ['text', 'The report of the spring survey is ready. We found no new cracks in spans 1 to 4. The bearing at the east tower wants grease before the winter; we propose the second week of September.'],
  ['text', 'Please tell us whether that suits you.'],
  ['text', 'With kind regards,'],
  ['text', 'J. Lindqvist']
]

mkdirSync(folder, { recursive: true })
write('contract.pdf', makePdf('Service agreement', CONTRACT))
write('handbook.pdf', makePdf('Field handbook', HANDBOOK))
write('letter.docx', makeDocx('Letter about the spring survey', LETTER))
write('floor-plan.png', makePlan())
write('index.json', `${JSON.stringify([
  { id: 'contract', title: 'Service agreement', type: 'application/pdf', file: 'contract.pdf' },
  { id: 'handbook', title: 'Field handbook', type: 'application/pdf', file: 'handbook.pdf' },
  { id: 'letter', title: 'Letter about the spring survey', type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', file: 'letter.docx' },
  { id: 'floor-plan', title: 'Floor plan of the control room', type: 'image/png', file: 'floor-plan.png' }
], null, 2)}\n`)

function write (name, content) {
  writeFileSync(new URL(name, folder), content)
  process.stdout.write(`${fileURLToPath(new URL(name, folder))}: ${content.length} bytes\n`)
}

// ---- PDF 1.4 (ISO 32000-1) ----------------------------------------------------------------

function makePdf (title, pages) {
  const font = (name) => `<< /Type /Font /Subtype /Type1 /BaseFont /${name} /Encoding /WinAnsiEncoding >>`
  const pageNumber = (index) => 6 + 2 * index
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R /Lang (en) /ViewerPreferences << /DisplayDocTitle true >> >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, index) => `${pageNumber(index)} 0 R`).join(' ')}] >>`,
    font('Helvetica'),
    font('Helvetica-Bold'),
    `<< /Title ${pdfText(title)} /Author (fastify-doc-tokens) /CreationDate (D:20260401090000Z) >>`,
    ...pages.flatMap((blocks, index) => {
      const content = drawPage(blocks, `${title}   ${index + 1} / ${pages.length}`)
      return [
        `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents ${pageNumber(index) + 1} 0 R >>`,
        `<< /Length ${content.length} >>\nstream\n${content}\nendstream`
      ]
    })
  ]

  // All of it is ASCII, so that lengths of strings are offsets in bytes. The comment marks the file as binary all the same.
  const header = Buffer.from('%PDF-1.4\n%\xe2\xe3\xcf\xd3\n', 'latin1')
  let body = ''
  let table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`
  objects.forEach((object, index) => {
    table += `${String(header.length + body.length).padStart(10, '0')} 00000 n \n`
    body += `${index + 1} 0 obj\n${object}\nendobj\n`
  })
  return Buffer.concat([header, Buffer.from(`${body}${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 5 0 R >>\nstartxref\n${header.length + body.length}\n%%EOF\n`)])
}

function drawPage (blocks, footer) {
  const parts = []
  let y = 770
  const show = (font, size, x, text) => parts.push(`BT /${font} ${size} Tf ${x} ${y} Td ${pdfText(text)} Tj ET`)
  for (const [kind, text, other] of blocks) {
    if (kind === 'title') {
      show('F2', 24, 72, text)
      y -= 14
      parts.push(`0.15 0.35 0.6 RG 1.5 w 72 ${y} m 523 ${y} l S`)
      y -= 28
    } else if (kind === 'heading') {
      y -= 12
      show('F2', 14, 72, text)
      y -= 22
    } else if (kind === 'text') {
      for (const line of wrap(text, 80)) {
        show('F1', 11, 72, line)
        y -= 16
      }
      y -= 6
    } else {
      y -= 80
      parts.push(`0 G 0.5 w 72 ${y} m 262 ${y} l S 333 ${y} m 523 ${y} l S`)
      y -= 14
      show('F1', 9, 72, text)
      show('F1', 9, 333, other)
    }
  }
  y = 48
  show('F1', 8, 72, footer)
  return parts.join('\n')
}

function pdfText (text) {
  return `(${text.replace(/[\\()]/g, '\\$&')})`
}

function wrap (text, width) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trimStart()
    if (line.length > width) lines.push(word)
    else lines[lines.length - 1] = line
  }
  return lines
}

// ---- Office Open XML (ECMA-376), in a ZIP -------------------------------------------------

function makeDocx (title, blocks) {
  const xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
  const openxml = 'http://schemas.openxmlformats.org'
  const relationship = `${openxml}/officeDocument/2006/relationships`
  const type = 'application/vnd.openxmlformats-officedocument.wordprocessingml'
  const paragraphs = blocks.map(([kind, text]) => `<w:p><w:pPr><w:pStyle w:val="${kind === 'title' ? 'Title' : 'Normal'}"/></w:pPr><w:r><w:t>${xmlText(text)}</w:t></w:r></w:p>`)
  const font = '<w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:cs="Calibri"/>'

  return makeZip([
    ['[Content_Types].xml', `${xml}<Types xmlns="${openxml}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="${type}.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="${type}.styles+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>`],
    ['_rels/.rels', `${xml}<Relationships xmlns="${openxml}/package/2006/relationships"><Relationship Id="rId1" Type="${relationship}/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="${openxml}/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>`],
    ['word/_rels/document.xml.rels', `${xml}<Relationships xmlns="${openxml}/package/2006/relationships"><Relationship Id="rId1" Type="${relationship}/styles" Target="styles.xml"/></Relationships>`],
    ['word/document.xml', `${xml}<w:document xmlns:w="${openxml}/wordprocessingml/2006/main"><w:body>${paragraphs.join('')}<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1440" w:right="1440" w:bottom="1440" w:left="1440" w:header="708" w:footer="708" w:gutter="0"/></w:sectPr></w:body></w:document>`],
    ['word/styles.xml', `${xml}<w:styles xmlns:w="${openxml}/wordprocessingml/2006/main"><w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:pPr><w:spacing w:after="200" w:line="276" w:lineRule="auto"/></w:pPr><w:rPr>${font}<w:sz w:val="22"/><w:lang w:val="en-GB"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:pPr><w:spacing w:after="480"/></w:pPr><w:rPr><w:b/><w:color w:val="265999"/><w:sz w:val="40"/></w:rPr></w:style></w:styles>`],
    ['docProps/core.xml', `${xml}<cp:coreProperties xmlns:cp="${openxml}/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>${xmlText(title)}</dc:title><dc:creator>fastify-doc-tokens</dc:creator><dcterms:created xsi:type="dcterms:W3CDTF">2026-05-12T09:00:00Z</dcterms:created></cp:coreProperties>`]
  ])
}

function xmlText (text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}

/** Stored, not compressed: small anyway, and the same bytes whatever the version of zlib. */
function makeZip (files) {
  const local = []
  const central = []
  let offset = 0
  for (const [name, text] of files) {
    const content = Buffer.from(text)
    // version 2.0, no flags, stored, 00:00 on 12 May 2026, checksum, both sizes, length of the name, no extra field
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE((2026 - 1980) << 9 | 5 << 5 | 12, 8)
    common.writeUInt32LE(crc32(content), 10)
    common.writeUInt32LE(content.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(name.length, 22)

    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    local.push(Buffer.from('PK\x03\x04'), common, Buffer.from(name), content)
    central.push(Buffer.from('PK\x01\x02\x14\x00'), common, place, Buffer.from(name))
    offset += 4 + common.length + name.length + content.length
  }

  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end])
}

// ---- PNG (ISO/IEC 15948) ------------------------------------------------------------------

/** A room of 640 × 440 pixels with an index per colour. */
function makePlan () {
  const [width, height] = [640, 440]
  const [paper, grid, wall, glass, wood, green] = [0, 1, 2, 3, 4, 5]
  const palette = [[250, 249, 246], [230, 232, 236], [46, 52, 64], [126, 182, 214], [199, 160, 113], [122, 166, 110]]
  const pixels = Buffer.alloc(width * height, paper)

  const fill = (colour, x, y, w, h) => {
    for (let row = y; row < y + h; row++) pixels.fill(colour, row * width + x, row * width + x + w)
  }
  const frame = (colour, x, y, w, h, line) => {
    fill(colour, x, y, w, line)
    fill(colour, x, y + h - line, w, line)
    fill(colour, x, y, line, h)
    fill(colour, x + w - line, y, line, h)
  }
  const disc = (colour, cx, cy, radius, inner = 0) => {
    for (let y = cy - radius; y <= cy + radius; y++) {
      for (let x = cx - radius; x <= cx + radius; x++) {
        const distance = Math.hypot(x - cx, y - cy)
        if (distance <= radius && distance >= inner) pixels[y * width + x] = colour
      }
    }
  }
  // A door is a gap in a wall, its leaf, and the quarter of a circle that it sweeps.
  const door = (x, y, size) => {
    fill(paper, x, y, size, 8)
    fill(wood, x, y + 8, 3, size)
    for (let angle = 0; angle <= 90; angle += 0.5) {
      const turn = angle * Math.PI / 180
      pixels[(y + 8 + Math.round(size * Math.sin(turn))) * width + x + Math.round(size * Math.cos(turn))] = wood
    }
  }

  for (let x = 0; x < width; x += 20) fill(grid, x, 0, 1, height)
  for (let y = 0; y < height; y += 20) fill(grid, 0, y, width, 1)

  fill(paper, 60, 60, 520, 320)
  frame(wall, 60, 60, 520, 320, 8)
  fill(wall, 372, 60, 8, 320)
  fill(wall, 372, 212, 208, 8)

  for (const x of [110, 230]) fill(glass, x, 61, 90, 6)
  fill(glass, 430, 61, 100, 6)
  fill(glass, 573, 260, 6, 80)
  fill(paper, 372, 110, 8, 52)
  fill(paper, 372, 280, 8, 52)
  door(150, 372, 50)

  // Desks with chairs in the control room, a table in the meeting room, shelves in the store.
  for (const y of [120, 250]) {
    for (const x of [110, 240]) {
      frame(wood, x, y, 90, 40, 3)
      fill(glass, x + 30, y + 8, 30, 5)
      disc(wood, x + 45, y + 58, 11, 8)
    }
  }
  disc(wood, 478, 138, 38, 35)
  for (const [x, y] of [[478, 84], [478, 192], [424, 138], [532, 138]]) disc(wood, x, y, 10, 7)
  for (const x of [400, 440, 480, 520]) frame(wood, x, 240, 28, 60, 3)
  for (const [x, y] of [[86, 86], [354, 86], [556, 352]]) disc(green, x, y, 12)

  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) pixels.copy(rows, y * (width + 1) + 1, y * width, (y + 1) * width)

  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // 8 bits per pixel, colours from a palette
  header.set([8, 3], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('PLTE', Buffer.from(palette.flat())),
    pngChunk('IDAT', deflateSync(rows, { level: 9 })),
    pngChunk('IEND', Buffer.alloc(0))
  ])
}

function pngChunk (type, content) {
  const body = Buffer.concat([Buffer.from(type), content])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(content.length, 0)
  body.copy(chunk, 4)
  chunk.writeUInt32BE(crc32(body), body.length + 4)
  return chunk
}
