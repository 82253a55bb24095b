import { Problem, post } from "../api/client";

/** Asks for made-up orders; says what went wrong, or nothing. */
export async function orderSome(count: number, customer?: string): Promise<string> {
  try {
    await post("/demo/orders", customer ? { count, customer_id: customer } : { count });
    return "";
  } catch (error) {
    return error instanceof Problem ? error.message : `${error}`;
  }
}
