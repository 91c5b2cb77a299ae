import { ParleyError } from '../errors.ts';

/** The token in use, and where a new one comes from. */
export class Credentials {
  /** The token in use. */
  token: string | undefined;
  readonly #refresh: (() => string | Promise<string>) | undefined;

  constructor(token: string | undefined, refresh: (() => string | Promise<string>) | undefined) {
    this.token = token;
    this.#refresh = refresh;
  }

  /** Whether a new token can be had. */
  get canRefresh(): boolean {
    return this.#refresh !== undefined;
  }

  /** The token in use; a new one if there is none. */
  async current(): Promise<string> {
    return this.token ?? this.renewed();
  }

  /** A new token, which is in use from now on. */
  async renewed(): Promise<string> {
    if (this.#refresh === undefined) {
      throw new ParleyError('invalid_token', 'There is no token, and no refreshToken to get one.');
    }
    this.token = await this.#refresh();
    return this.token;
  }
}
