import neostandard, { plugins, resolveIgnoresFromGitignore } from 'neostandard'

const fastifyOutside = ['fastify', 'fastify/*', 'fastify-plugin', '@fastify/*', '!@fastify/error']

export default [
  ...neostandard({ ts: true, ignores: [...resolveIgnoresFromGitignore(), 'test/vectors/**'] }),
  {
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-ignore': true, 'ts-expect-error': 'allow-with-description' }]
    }
  },
  {
    // The core must stay usable, testable and reviewable without a server.
    files: ['lib/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: fastifyOutside, message: 'lib/ is free of Fastify: move this to plugins/.' }, { group: ['**/plugins/**'], message: 'Nothing in lib/ calls up.' }] }] }
  }
]
