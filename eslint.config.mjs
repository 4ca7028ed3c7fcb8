import tseslint from 'typescript-eslint';

const noProcessEnv = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Only cmd/*/config.ts reads the environment; take settings as an argument.',
};
const noClock = {
  selector:
    "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
  message: 'The core takes its clock as an argument.',
};

export default tseslint.config(
  { ignores: ['dist/**', 'bench/out/**', 'node_modules/**', '**/*.mjs', '**/*.cjs'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', noProcessEnv],
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/edge/**', '**/*.test.ts'],
    rules: { 'no-restricted-syntax': ['error', noProcessEnv, noClock] },
  },
  { files: ['cmd/*/config.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: [
      'e2e/**/*.ts',
      'bench/**/*.ts',
      'fuzz/**/*.ts',
      'tools/**/*.ts',
      'test/**/*.ts',
      'demo/**/*.ts',
    ],
    rules: { 'no-restricted-syntax': 'off', 'no-console': 'off' },
  },
);
